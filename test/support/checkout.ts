/** Copies this checkout, so that a test can change sources and config without touching the developer's. */
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

const REPOSITORY = join(import.meta.dirname, "../..");

/** Copies the files that git tracks or would track, with the same installed packages. @returns the folder. */
export function createCheckout(): string {
  const folder = mkdtempSync(join(tmpdir(), "omniai-checkout-"));
  const listed = execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], {
    cwd: REPOSITORY,
    encoding: "utf8",
  });
  for (const path of new Set(listed.split("\0").filter((name) => name !== ""))) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    cpSync(join(REPOSITORY, path), join(folder, path), { force: true });
  }
  symlinkSync(join(REPOSITORY, "node_modules"), join(folder, "node_modules"));
  return folder;
}

export const removeCheckout = (folder: string): void => rmSync(folder, { recursive: true, force: true });
