/**
 * Files that are whole or not there. Plain JavaScript without packages, because tools/run.mjs needs it before
 * node_modules exist.
 */
// @ts-check
import { renameSync, rmSync, writeFileSync } from "node:fs";

/**
 * Writes a file aside and renames it into place: a reader finds the old content or the new one, never a part of it.
 * @param {string} path
 * @param {string} content
 * @param {{ readonly mode?: number }} [options]
 */
export function writeWhole(path, content, options = {}) {
  const aside = `${path}.${process.pid}.new`;
  try {
    writeFileSync(aside, content, options);
    renameSync(aside, path);
  } catch (error) {
    rmSync(aside, { force: true });
    throw error;
  }
}
