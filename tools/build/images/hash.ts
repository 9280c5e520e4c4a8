/** The identity of a recipe: the same files and arguments give the same hash. */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";

export function recipeFolder(repository: string): string {
  return join(import.meta.dirname, repository);
}

/** Over each file's path, executable bit and content, in order of path, and the arguments. */
export function hashFolder(folder: string, args: Readonly<Record<string, string>>): string {
  const hash = createHash("sha256");
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).sort();
  for (const file of files) {
    const path = join(folder, file);
    const facts = statSync(path);
    if (!facts.isFile()) continue;
    hash.update(`${file}\0${facts.mode & 0o100 ? "x" : "-"}\0${facts.size}\0`).update(readFileSync(path));
  }
  for (const [name, value] of Object.entries(args).sort()) hash.update(`${name}=${value}\0`);
  return hash.digest("hex").slice(0, 16);
}
