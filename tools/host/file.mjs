/**
 * Files that are whole or not there. Plain JavaScript without packages, because tools/run.mjs needs it before
 * node_modules exist.
 */
// @ts-check
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

/**
 * Writes a file aside and renames it into place: a reader finds the old content or the new one, never a part of it.
 * @param {string} path
 * @param {string} content
 * @param {{ readonly mode?: number, readonly synced?: boolean }} [options] synced: it is on the disk when this returns, also for a
 *   machine that loses its power then; by default the system writes it when it likes
 */
export function writeWhole(path, content, { synced = false, ...options } = {}) {
  const aside = `${path}.${process.pid}.new`;
  try {
    writeFileSync(aside, content, options);
    if (synced) sync(aside, "r+");
    renameSync(aside, path);
    // The name is in the folder. Windows syncs no folders.
    if (synced && process.platform !== "win32") sync(dirname(path), "r");
  } catch (error) {
    rmSync(aside, { force: true });
    throw error;
  }
}

/** @param {string} path @param {"r" | "r+"} flags */
function sync(path, flags) {
  const file = openSync(path, flags);
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
