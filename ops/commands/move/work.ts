/** What every part of a move works with. */
import { writeWhole } from "../../../tools/host/file.mjs";
import type { End } from "../../engine/volume-copy.ts";
import { stackFilePath } from "../../stack/config-files.ts";
import type { Access } from "../../stack/move-progress.ts";
import { ROOT, type CommonOptions, type Engine, type Place } from "../../stack/place.ts";
import { readLoginKey, type Session } from "../../stack/session.ts";
import type { KnownConfig } from "../../stack/settings.ts";
import { signals } from "../../stack/this-process.ts";
import { withAccess } from "./target.ts";

export interface MoveOptions extends CommonOptions {
  readonly yes?: boolean;
  readonly hostKey?: string;
  /** How long the stack may refuse, in seconds. */
  readonly maxDowntime: number;
  readonly back?: boolean;
  /** With `back` the new machine is gone for good, with `finish` the old one. */
  readonly lost?: boolean;
  readonly finish?: boolean;
}

export interface Work {
  /** The new machine, as the operator named it. */
  readonly host: string;
  readonly options: MoveOptions;
  readonly access: Access;
  /** The text of the stack's file as it is for the old machine. */
  readonly file: string;
  /** The stack where it is. */
  readonly from: Session;
  /** The engine of the new machine. */
  readonly engine: Engine;
  /** The stack as it will be. */
  readonly there: Place;
  /** The ends of the copy. */
  readonly old: End;
  readonly fresh: End;
}

/** An end of the copy. PostgreSQL's image has all that it takes, and is on both engines by then. */
export const endOf = (
  { docker, dockerHost }: Pick<Engine, "docker" | "dockerHost">,
  { postgresImage = "" }: KnownConfig,
): End => ({ docker, name: dockerHost, image: postgresImage });

type FileWork = Pick<Work, "file" | "access"> & { readonly from: Place };

/** Does something while the stack's file names the new machine, and gives it back: the stack is on the old one meanwhile. */
export async function withTargetFile<T>({ from, file, access }: FileWork, run: () => Promise<T>): Promise<T> {
  let isTarget = true;
  const giveBack = (): void => {
    if (isTarget) writeWhole(stackFilePath(ROOT, from.stack), file);
    isTarget = false;
  };
  // Also where a signal ends the process meanwhile.
  signals.onLeave(giveBack);
  writeTargetFile({ from, file, access });
  try {
    return await run();
  } finally {
    giveBack();
  }
}

export const writeTargetFile = ({ from, file, access }: FileWork): void =>
  writeWhole(stackFilePath(ROOT, from.stack), withAccess(file, from.settings.project, access));

/** Reads the key that the stack has to log in to its machine with. */
export const loginKey =
  (options: CommonOptions): (() => Promise<string>) =>
  () =>
    readLoginKey(options, { create: false, onlyLooking: true });
