/** What the policy pack reports in a run: read from the engine's events and put into words. */
import type { PolicyEvent } from "@pulumi/pulumi/automation/index.js";

export interface Violation {
  /** The rule's name; docs/policies.md explains it. */
  readonly rule: string;
  /** Names the resource, what is wrong with it, and what to do. */
  readonly message: string;
  /** True when it stops the run. */
  readonly mandatory: boolean;
}

/** Pure: reads an event of the engine, whose message is the rule's description and then what the rule reported. */
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

/** Pure: a line for each of them. */
export function describeViolations(violations: readonly Violation[]): string {
  const count =
    violations.length === 1 ? "1 policy does not hold" : `${violations.length} policies do not hold`;
  return `${count}.\n${violations.map(({ rule, message }) => `  ${rule}: ${message}`).join("\n")}`;
}
