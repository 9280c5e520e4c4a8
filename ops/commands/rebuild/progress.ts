/** How far a rebuild has come, kept beside the state of the checkout, so that the same command goes on from there. */
import type { CopyView } from "../../engine/backup-room.ts";
import type { Backend } from "../../stack/backend.ts";
import {
  forgetProgressFile,
  progressPath,
  readProgressFile,
  writeProgressFile,
} from "../../stack/progress-file.ts";
import { explain, OpsError } from "../../terminal/errors.ts";

/**
 * What is done of a rebuild, in this order. From "deploying" on, data that is where the stack goes may be what this rebuild has begun
 * there; before that, it is somebody's.
 */
const STEPS = ["begun", "imported", "deploying", "deployed", "restored"] as const;
export type Step = (typeof STEPS)[number];

export type Brought =
  | { readonly tables: number; readonly rows: number; readonly until: string }
  // Others run PostgreSQL: the loss of the host has taken nothing of it, and nothing was put there.
  | { readonly external: true };

export interface RebuildProgress {
  /** Everything comes from this one, also when newer ones are there meanwhile. */
  readonly copy: CopyView;
  readonly step: Step;
  /** What was brought back, once it is; for the last lines. */
  readonly brought?: Brought;
}

/** Pure: whether a step is done. */
export const isDone = ({ step }: RebuildProgress, wanted: Step): boolean =>
  STEPS.indexOf(step) >= STEPS.indexOf(wanted);

const fileOf = (backend: Backend, stack: string): string => progressPath(backend, "rebuild", stack);

/** @returns undefined where no rebuild is under way. @throws OpsError for a file that is no progress */
export const readProgress = (backend: Backend, stack: string): RebuildProgress | undefined =>
  readProgressFile<RebuildProgress>(
    fileOf(backend, stack),
    ({ step, copy }) => STEPS.includes(step) && typeof copy.id === "string",
    { what: `the rebuild of stack ${stack}`, remedy: "Rebuild in a fresh clone." },
  );

export function writeProgress(backend: Backend, stack: string, progress: RebuildProgress): RebuildProgress {
  writeProgressFile(fileOf(backend, stack), progress);
  return progress;
}

/** Adds to why a rebuild that was broken off cannot read its copy how it is begun anew. */
export function unreadableCopy(
  backend: Backend,
  stack: string,
  { copy }: RebuildProgress,
  cause: unknown,
): OpsError {
  const { what, remedy, exitCode } = explain(cause);
  return new OpsError(
    `Copy ${copy.id} (${copy.at}), from which the rebuild of stack ${stack} was begun, could not be read: ${what}`,
    `${remedy === undefined ? "" : `${remedy}\n  `}If that copy is not in the bucket any more: rm ${fileOf(backend, stack)}\n` +
      "  Then run the same command again: it says what is there, and how to go on from there or with the newest copy.",
    exitCode,
    { cause },
  );
}

export const forgetProgress = (backend: Backend, stack: string): void =>
  forgetProgressFile(fileOf(backend, stack));
