/** What the policy pack says in a run: read from the engine's events, and put into words. */
import type { PolicyEvent } from "@pulumi/pulumi/automation/index.js";

export interface Violation {
  /** The rule's name; docs/policies.md explains it. */
  readonly rule: string;
  /** Which resource, what is wrong, and what to do. */
  readonly message: string;
  /** True where it stops the run. */
  readonly mandatory: boolean;
}

/** Pure: an event of the engine, whose message is the rule's description and then what was reported. */
export function readViolation({ policyName, message, enforcementLevel }: PolicyEvent): Violation {
  const lines = message
    .replace(/<\{%[^%]*%\}>/g, "")
    .trim()
    .split("\n");
  return {
    rule: policyName,
    message: lines.slice(lines.length > 1 ? 1 : 0).join(" "),
    mandatory: enforcementLevel === "mandatory",
  };
}

/** Pure: all of them, a line each. */
export function describeViolations(violations: readonly Violation[]): string {
  const count =
    violations.length === 1 ? "1 policy does not hold" : `${violations.length} policies do not hold`;
  return `${count}.\n${violations.map(({ rule, message }) => `  ${rule}: ${message}`).join("\n")}`;
}
