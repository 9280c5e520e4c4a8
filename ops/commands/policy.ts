/** `npm run policy`: checks each stack against the policies as it would be deployed, and deploys nothing. */
import { environmentOf, isMandatory, type Environment } from "../../infra/config/policy-settings.ts";
import { stackFiles } from "../stack/config-files.ts";
import { ROOT, type CommonOptions } from "../stack/place.ts";
import { RunFailed, runPreview } from "../stack/run.ts";
import { openSession } from "../stack/session.ts";
import { signals } from "../stack/this-process.ts";
import type { Violation } from "../stack/violations.ts";
import { exit, explain, OpsError } from "../terminal/errors.ts";
import { paint, print, printJson } from "../terminal/output.ts";

export interface PolicyOptions extends Omit<CommonOptions, "stack"> {
  /** Default: every stack that has a file. */
  readonly stack?: string;
}

interface Verdict {
  readonly stack: string;
  readonly environment?: Environment;
  readonly violations: readonly Violation[];
  /** Why the policies could not be checked; undefined when they were. */
  readonly failure?: string;
}

/** @throws OpsError when a mandatory policy does not hold, or a stack could not be checked */
export async function policy(options: PolicyOptions): Promise<void> {
  const stacks = options.stack === undefined ? stackFiles(ROOT) : [options.stack];
  const verdicts: Verdict[] = [];
  for (const stack of stacks) {
    const verdict = await judge({ ...options, stack });
    verdicts.push(verdict);
    if (!options.json) printVerdict(verdict);
  }
  if (options.json) printJson(verdicts);

  const failed = verdicts.filter(({ failure }) => failure !== undefined).map(({ stack }) => stack);
  const violated = verdicts
    .filter(({ violations }) => violations.some(({ mandatory }) => mandatory))
    .map(({ stack }) => stack);
  if (violated.length > 0) {
    throw new OpsError(
      `Mandatory policies do not hold for stack ${violated.join(", ")}.`,
      "Correct what is listed above, or give it an exception with a reason and an end (docs/policies.md).",
      exit.policy,
    );
  }
  if (failed.length > 0)
    throw new OpsError(`Stack ${failed.join(", ")} could not be checked.`, "The reasons are above.");
}

async function judge(options: CommonOptions): Promise<Verdict> {
  const { stack } = options;
  try {
    const { handle, settings } = await openSession(options, { create: "aside" });
    const environment = environmentOf(stack, settings.config.environment ?? "");
    try {
      const title = `checking stack ${stack} against its policies`;
      const { violations } = await runPreview(handle, { title });
      return { stack, environment, violations };
    } catch (error) {
      const violations = error instanceof RunFailed ? error.events.violations : [];
      if (!violations.some(({ mandatory }) => mandatory)) throw error;
      return { stack, environment, violations };
    }
  } catch (error) {
    if (signals.requested) throw error;
    const { what, remedy } = explain(error);
    return { stack, violations: [], failure: [what, remedy].filter(Boolean).join(" ") };
  }
}

function printVerdict({ stack, environment, violations, failure }: Verdict): void {
  print(paint("bold", `Stack ${stack}`));
  if (failure !== undefined || environment === undefined) {
    print(`  ${paint("red", "✗")} ${failure ?? ""}`);
    return;
  }
  const level = isMandatory(environment) ? "violations stop a deploy" : "violations are only shown";
  print(`  judged as ${environment}: ${level}`);
  const remarks = violations.filter(({ rule }) => rule === "remarks");
  const broken = violations.filter(({ rule }) => rule !== "remarks");
  if (broken.length === 0) print(`  ${paint("green", "✓")} every policy holds`);
  for (const { rule, message, mandatory } of broken)
    print(`  ${paint(mandatory ? "red" : "yellow", mandatory ? "✗" : "!")} ${rule}: ${message}`);
  for (const { message } of remarks) print(`  · ${message}`);
}
