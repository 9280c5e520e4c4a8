/** How far a rebuild has come, kept beside the state of the checkout, so that the same command goes on from there. */
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { writeWhole } from "../../../tools/host/file.mjs";
import type { CopyView } from "../../engine/backup-room.ts";
import type { Backend } from "../../stack/backend.ts";
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

const fileOf = ({ stateDir }: Backend, stack: string): string => join(stateDir, "rebuild", `${stack}.json`);

/** @returns undefined where no rebuild is under way. @throws OpsError for a file that is no progress */
export function readProgress(backend: Backend, stack: string): RebuildProgress | undefined {
  const file = fileOf(backend, stack);
  if (!existsSync(file)) return undefined;
  try {
    const found = JSON.parse(readFileSync(file, "utf8")) as RebuildProgress;
    if (STEPS.includes(found.step) && typeof found.copy.id === "string") return found;
  } catch {
    // Said below.
  }
  throw new OpsError(
    `${file} does not say how far the rebuild of stack ${stack} has come.`,
    "Rebuild in a fresh clone. Nothing was changed.",
  );
}

/** The whole of it under its name, or what was there before. */
export function writeProgress(backend: Backend, stack: string, progress: RebuildProgress): RebuildProgress {
  const file = fileOf(backend, stack);
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  writeWhole(file, `${JSON.stringify(progress)}\n`, { mode: 0o600 });
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
  rmSync(fileOf(backend, stack), { force: true });
