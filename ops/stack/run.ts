/** One run of Pulumi: its progress is shown, a person can cancel it, and a failure says why. */
import type { EngineEvent, GlobalOpts, PreviewOptions } from "@pulumi/pulumi/automation/index.js";
import { exit, explain, OpsError } from "../terminal/errors.ts";
import { colourful } from "../terminal/output.ts";
import type { StackHandle } from "./open-stack.ts";
import { killRunning } from "./pulumi-command.ts";
import { nameOf } from "./state.ts";
import { signals } from "./this-process.ts";
import { describeViolations, readViolation, type Violation } from "./violations.ts";

/** One change that a run makes or would make. */
export interface Change {
  readonly op: string;
  readonly urn: string;
  readonly type: string;
  /** The properties that differ, where the engine names them. */
  readonly properties?: readonly string[];
}

/** What a run has said through its engine events. */
export interface RunEvents {
  readonly changes: Change[];
  readonly errors: string[];
  /** What the policy pack reported, advice included. */
  readonly violations: Violation[];
}

/** Operations that change nothing. */
const unchanging = new Set(["same", "read", "refresh", "read-discard", "discard-replaced"]);

/**
 * Pure: the reason in an error of the engine, without colours and without what providers wrap around it:
 * "1 error occurred:\n\t* creating urn:…: 1 error occurred:\n\t* container failed …" becomes "container failed …".
 */
export const plainReason = (message: string): string =>
  message
    .replace(/<\{%[^%]*%\}>/g, "")
    .replace(/^\s*sdk-v2\/provider2\.go:\d+: sdk\.helper_schema: /, "")
    .replace(/: provider="?[^"\n]*"?\s*$/, "")
    .replace(
      /(\d+ errors? occurred:\s*\* )?((creating|updating|deleting) urn:\S+: )?\d+ errors? occurred:\s*\* /g,
      "",
    )
    .trim();

/** Pure: adds what one event of the engine says. */
export function recordEvent(events: RunEvents, event: EngineEvent): void {
  const step = event.resourcePreEvent?.metadata;
  if (step !== undefined && !unchanging.has(step.op)) {
    events.changes.push({ op: step.op, urn: step.urn, type: step.type, properties: step.diffs ?? [] });
  }
  if (event.policyEvent !== undefined) events.violations.push(readViolation(event.policyEvent));
  const diagnostic = event.diagnosticEvent;
  if (diagnostic?.severity === "error" && !diagnostic.ephemeral) {
    const where = diagnostic.urn === undefined || diagnostic.urn === "" ? "" : `${nameOf(diagnostic.urn)}: `;
    const message = plainReason(diagnostic.message);
    // Messages such as "update failed" only say that something else failed.
    if (!/^(update|preview|destroy|refresh) (failed|canceled)$/.test(message))
      events.errors.push(`${where}${message}`);
  }
}

export interface RunOptions extends GlobalOpts {
  onOutput: (text: string) => void;
  onError: (text: string) => void;
  onEvent: (event: EngineEvent) => void;
  signal: AbortSignal;
}

export interface RunRequest<T> {
  /** What is going on, for the message of an interruption: "deploying stack dev". */
  readonly title: string;
  readonly options: GlobalOpts;
  /** True to pass Pulumi's progress on to the terminal as it comes. */
  readonly show: boolean;
  readonly run: (options: RunOptions) => Promise<T>;
}

export interface RunResult<T> {
  readonly value: T;
  readonly events: RunEvents;
}

/** A run that failed, with everything that it said about the reason. */
export class RunFailed extends OpsError {
  readonly events: RunEvents;
  constructor(title: string, events: RunEvents, cause: unknown) {
    const { what, remedy, exitCode } = explain(cause);
    const reasons = [...new Set(events.errors)];
    const violated = events.violations.filter(({ mandatory }) => mandatory);
    if (violated.length > 0) {
      super(
        `Stopped while ${title}: ${describeViolations(violated)}${reasons.map((reason) => `\n${reason}`).join("")}`,
        "Correct what is listed, or give it an exception with a reason and an end (omniai:policyExceptions, docs/policies.md); then run the command again.",
        exit.policy,
        { cause },
      );
      this.events = events;
      return;
    }
    super(
      `Failed while ${title}.${reasons.length > 0 ? `\n${reasons.join("\n")}` : `\n${what.replace(/^Pulumi failed:\n/, "")}`}`,
      reasons.length > 0 || remedy === undefined
        ? "Correct the cause and run the command again: it goes on from here."
        : remedy,
      exitCode,
      { cause },
    );
    this.events = events;
  }
}

/** Runs Pulumi. @throws InterruptedError when a person stopped it, RunFailed when it failed */
export async function runPulumi<T>(request: RunRequest<T>): Promise<RunResult<T>> {
  const { title, show } = request;
  const controller = new AbortController();
  const events: RunEvents = { changes: [], errors: [], violations: [] };
  signals.begin({
    title,
    cancel: () => controller.abort(),
    // The second SIGINT makes the CLI leave at once; what it started ends with it.
    force: () => killRunning("SIGINT"),
  });
  const pass = (stream: NodeJS.WriteStream) => (text: string) => void (show && stream.write(text));
  try {
    const value = await request.run({
      ...request.options,
      color: colourful() ? "always" : "never",
      onOutput: pass(process.stdout),
      onError: pass(process.stderr),
      onEvent: (event) => recordEvent(events, event),
      signal: controller.signal,
    });
    if (signals.requested) throw signals.error();
    return { value, events };
  } catch (error) {
    if (signals.requested) throw signals.error();
    throw new RunFailed(title, events, error);
  }
}

export interface PreviewRequest extends PreviewOptions {
  readonly title: string;
  /** True to pass Pulumi's progress on to the terminal. */
  readonly show?: boolean;
  /** The handle's own, or those of another version (useVersion). */
  readonly options?: StackHandle["options"];
}

/** Runs a preview. @returns what it has said; its changes are those that an update would make */
export async function runPreview(
  { program, options: own }: StackHandle,
  { title, show = false, options = own, ...more }: PreviewRequest,
): Promise<RunEvents> {
  const run = (options: RunOptions): Promise<unknown> => program.preview({ ...options, ...more });
  return (await runPulumi({ title, options, show, run })).events;
}
