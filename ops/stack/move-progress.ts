/** How far a move has come, kept beside the state of the checkout, so that the same command goes on from there, or goes back. */
import { readFileSync } from "node:fs";
import { OpsError } from "../terminal/errors.ts";
import { npmRun } from "../terminal/npm-run.ts";
import type { Backend } from "./backend.ts";
import { forgetProgressFile, progressPath, readProgressFile, writeProgressFile } from "./progress-file.ts";

/** The config keys that name a machine; null takes a key out of the stack's file. */
export type Access = Readonly<Record<string, string | number | null>>;

/**
 * What is so from each step on. preparing: nothing of the stack is on the new machine yet, and its file may name that machine while
 * that is being prepared. copying: the old stack serves, and the new machine has a part of its data. stopping: the old one is
 * being stopped, and starts again where the move goes no further. fenced: all data is on the new machine, and nothing starts on the
 * old data any more. moved: the new stack has served; the old one is kept aside.
 */
export const STEPS = ["preparing", "copying", "stopping", "fenced", "moved"] as const;
export type Step = (typeof STEPS)[number];

export interface MoveProgress {
  readonly step: Step;
  /** The new machine, as the operator named it, and what the stack's file says of it. */
  readonly host: string;
  readonly access: Access;
  /** The text of the stack's file while the stack is on the old machine. */
  readonly file: string;
  /** The ids of both engines: an address may lead elsewhere the next time. Undefined while preparing; "" for one without an id. */
  readonly engines?: { readonly old: string; readonly fresh: string };
  /** What maintenance has told before; it stays on then. */
  readonly maintained?: string;
  /** The containers that ran on the old machine. */
  readonly ran: readonly string[];
  /** The moment at which the old stack began to refuse, ISO 8601; undefined before. */
  readonly refusedSince?: string;
  /** By volume, once it is fenced: what goes to the new machine, which needs the old one for nothing from then on. */
  readonly identities?: Readonly<Record<string, string>>;
}

/** Pure. */
export const isReached = ({ step }: MoveProgress, wanted: Step): boolean =>
  STEPS.indexOf(step) >= STEPS.indexOf(wanted);

/** Pure: for `status`: what is so, and what the operator can do. */
export function describeProgress({ step, host }: MoveProgress, stack: string): string {
  const on = npmRun("move", stack, host);
  const back = npmRun("move", stack, "--back");
  if (step === "moved")
    return `Moved to ${host}. The machine before still has the data as it was: ${npmRun("move", stack, "--finish")} removes it.`;
  const state = {
    preparing: "nothing of the stack is there yet",
    copying: "the stack serves where it was",
    stopping: "the stack may be stopped where it was",
    fenced: "all data is there, and nothing starts on the old machine any more",
  }[step];
  return `A move to ${host} is not over: ${state}. To go on: ${on}; to give it up: ${back}.`;
}

/** For a command that changes the stack. While its data is between two machines, nothing but the move itself knows what is so. @throws OpsError */
export function refuseDuringMove(backend: Backend, stack: string, command: string): void {
  const progress = command === "move" ? undefined : readProgress(backend, stack);
  if (progress === undefined || !["stopping", "fenced"].includes(progress.step)) return;
  throw new OpsError(
    `Stack ${stack} is being moved to ${progress.host}, and its data is between two machines. Nothing was changed.`,
    `${npmRun("move", stack, progress.host)} goes on; ${npmRun("move", stack, "--back")} gives it up.`,
  );
}

/**
 * For `up --move`: a way back of the move would remove from the new machine what somebody brings there by hand meanwhile.
 * @throws OpsError unless no move is under way
 */
export function refuseMoveByHand(backend: Backend, stack: string): void {
  const progress = readProgress(backend, stack);
  if (progress === undefined || progress.step === "moved") return;
  throw new OpsError(
    `A move of stack ${stack} to ${progress.host} is not over, and --move would take the stack to a machine that the move knows nothing of. Nothing was changed.`,
    `${npmRun("move", stack, progress.host)} goes on; ${npmRun("move", stack, "--back")} gives it up.`,
  );
}

/** Where the progress of a move is kept. */
export const progressFile = (backend: Backend, stack: string): string => progressPath(backend, "move", stack);
const stateFileOf = (backend: Backend, stack: string): string =>
  progressPath(backend, "move", `${stack}.state`);

/** @returns undefined where no move is under way. @throws OpsError for a file that is no progress */
export const readProgress = (backend: Backend, stack: string): MoveProgress | undefined =>
  readProgressFile<MoveProgress>(
    progressFile(backend, stack),
    ({ step, host, file }) => STEPS.includes(step) && typeof host === "string" && typeof file === "string",
    { what: `the move of stack ${stack}`, remedy: "Bring that file back from a backup of the checkout." },
  );

/**
 * On the disk: nothing else here says that only the new machine may serve, and a file that is behind would lead back to data that is.
 */
export function writeProgress(backend: Backend, stack: string, progress: MoveProgress): MoveProgress {
  writeProgressFile(progressFile(backend, stack), progress, true);
  return progress;
}

/** The state as it was while the stack was on the old machine; its secrets are encrypted. */
export const keepState = (backend: Backend, stack: string, state: unknown): void =>
  writeProgressFile(stateFileOf(backend, stack), state, true);

export const keptState = (backend: Backend, stack: string): unknown =>
  JSON.parse(readFileSync(stateFileOf(backend, stack), "utf8"));

export function forgetProgress(backend: Backend, stack: string): void {
  for (const file of [progressFile(backend, stack), stateFileOf(backend, stack)]) forgetProgressFile(file);
}
