/** The identity of a recipe: the same files and arguments give the same hash. */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";

/** A hash over each file's path, executable bit and content, and over the arguments. Go's test files do not count. */
export function hashFolder(folder: string, args: Readonly<Record<string, string>>): string {
  const hash = createHash("sha256");
  for (const file of readdirSync(folder, { recursive: true, encoding: "utf8" }).sort()) {
    const path = join(folder, file);
    const facts = statSync(path);
    if (!facts.isFile() || file.endsWith("_test.go")) continue;
    hash.update(`${file}\0${facts.mode & 0o100 ? "x" : "-"}\0${facts.size}\0`).update(readFileSync(path));
  }
  for (const [name, value] of Object.entries(args).sort()) hash.update(`${name}=${value}\0`);
  return hash.digest("hex").slice(0, 16);
}
