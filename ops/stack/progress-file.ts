/** How far a command of several steps has come, in a file beside the state of the checkout, so that the same command goes on from there. */
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { writeWhole } from "../../tools/host/file.mjs";
import { OpsError } from "../terminal/errors.ts";
import type { Backend } from "./backend.ts";

/** @param name of the stack, and of what else there is of it. */
export const progressPath = ({ stateDir }: Backend, command: string, name: string): string =>
  join(stateDir, command, `${name}.json`);

/** @returns undefined where there is none. @throws OpsError for a file that is no progress */
export function readProgressFile<T>(
  file: string,
  isProgress: (found: T) => boolean,
  { what, remedy }: { readonly what: string; readonly remedy: string },
): T | undefined {
  if (!existsSync(file)) return undefined;
  try {
    const found = JSON.parse(readFileSync(file, "utf8")) as T;
    if (isProgress(found)) return found;
  } catch {
    // Said below.
  }
  throw new OpsError(`${file} does not say how far ${what} has come.`, `${remedy} Nothing was changed.`);
}

/** The whole of it under its name, or what was there before. @param synced whether it is on the disk when this returns */
export function writeProgressFile(file: string, progress: unknown, synced = false): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  writeWhole(file, `${JSON.stringify(progress)}\n`, { mode: 0o600, synced });
}

export const forgetProgressFile = (file: string): void => rmSync(file, { force: true });
