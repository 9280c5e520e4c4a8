/** What this process is doing for the operator: how a signal ends it, and the change that it records in the audit. */
import { within } from "../engine/within.ts";
import { note, paint } from "../terminal/output.ts";
import { SignalHandler } from "../terminal/signals.ts";
import type { Audit } from "./audit.ts";
import { killRunning } from "./pulumi-command.ts";

/** A line on standard error about something that is done without having been asked for. */
export const say = (line: string): void => note(line);

export const signals = new SignalHandler({
  say: (line) => note(paint("yellow", line, process.stderr)),
  exit: (error) => {
    note(`${error.message} ${error.remedy}`);
    signals.leave();
    killRunning("SIGKILL");
    process.exit(error.exitCode);
  },
});

/** The change that this process makes. */
let audit: Audit | undefined;

/** Records this change however the process ends. */
export function recordAudit(change: Audit): Audit {
  audit = change;
  signals.onLeave(() => change.end("interrupted"));
  return change;
}

/** Ends the change, if this process has begun one. */
export const endAudit: Audit["end"] = (result, reason) => audit?.end(result, reason);

/** How others get to know of the change: the engine keeps it for them. */
let publish: (() => Promise<void>) | undefined;

/** @param work undefined when nothing is left that could keep it. */
export const publishAuditWith = (work: (() => Promise<void>) | undefined): void => {
  publish = work;
};

/** In ms. An engine that does not answer any more must not hold a command that has done its work. */
const PUBLISH_LIMIT = 10_000;

/** Gives the change to the engine. Where that fails, the next command from this machine does it. */
export async function publishAudit(): Promise<void> {
  if (publish === undefined) return;
  try {
    await within(PUBLISH_LIMIT, publish(), () => {
      throw new Error("the engine does not answer");
    });
  } catch (error) {
    say(
      `The engine could not keep this change for other machines (${(error as Error).message}); the next command from this one tries again.`,
    );
  }
}
