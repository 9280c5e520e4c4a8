/** What this process is doing for the operator: how a signal ends it, and the change that it records in the audit. */
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
