/**
 * Repairs the checkpoint files of a file backend after a kill or a full disk, before Pulumi reads them. Pulumi renames a
 * finished checkpoint into its place, but writes the small `.attrs` file beside it (content type, checksum) in place:
 * when that write is cut off, every command of the stack ends with "failed to load checkpoint: EOF".
 */
import { existsSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { writeWhole } from "../../tools/host/file.mjs";
import { OpsError } from "../terminal/errors.ts";

const isJson = (file: string): boolean => {
  try {
    JSON.parse(readFileSync(file, "utf8"));
    return true;
  } catch {
    return false;
  }
};

/**
 * Needs the stack's lock.
 * @param folder of the backend. @param say gets a line for everything that was repaired.
 * @throws OpsError when no checkpoint is left to go back to.
 */
export function repairCheckpoint(
  folder: string,
  project: string,
  stack: string,
  say: (line: string) => void,
): void {
  const stacks = join(folder, ".pulumi", "stacks", project);
  const checkpoint = join(stacks, `${stack}.json`);
  for (const file of [checkpoint, `${checkpoint}.bak`]) {
    const attributes = `${file}.attrs`;
    if (!existsSync(attributes) || isJson(attributes)) continue;
    // Nothing is lost with it: without the file Pulumi takes the defaults.
    rmSync(attributes);
    say(`An earlier run was cut off while it wrote ${basename(attributes)}; the broken file is removed.`);
  }
  if (!existsSync(checkpoint) || isJson(checkpoint)) return;
  const backup = `${checkpoint}.bak`;
  if (!isJson(backup)) {
    throw new OpsError(
      `The state of stack ${stack} cannot be read: ${checkpoint} is broken, and so is its backup.`,
      `Bring the file back from a copy, or take the newest *.checkpoint.json of ${join(folder, ".pulumi", "history", project, stack)}.`,
    );
  }
  const broken = `${checkpoint}.broken-${Date.now()}`;
  renameSync(checkpoint, broken);
  rmSync(`${checkpoint}.attrs`, { force: true });
  writeWhole(checkpoint, readFileSync(backup, "utf8"), { mode: statSync(backup).mode });
  say(
    `The state of stack ${stack} was broken and is replaced by its backup; the broken file is kept as ${basename(broken)}.`,
  );
}
