/** What a folder that an image is built from has in it, as a hash: an image of ours is named by that. */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join, relative, sep } from "node:path";

/** What Python writes beside its sources belongs to a machine, not to the image. */
const isSource = (path: string): boolean => !/(^|\/)(__pycache__|\.[^/]+)(\/|$)|\.pyc$/.test(path);

/**
 * 16 hex digits over every source in a folder.
 * @param more what else the image is made from, as text.
 */
export function hashContext(context: string, more: string): string {
  const digest = createHash("sha256").update(more);
  const files = readdirSync(context, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(context, join(entry.parentPath, entry.name)).split(sep).join("/"))
    .filter(isSource)
    .sort();
  for (const path of files) {
    const content = readFileSync(join(context, path));
    digest.update(`${path}\n${content.length}\n`).update(content);
  }
  return digest.digest("hex").slice(0, 16);
}
