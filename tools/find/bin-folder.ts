/** The folder that puts the programs that were built here on PATH. */
import { createHash } from "node:crypto";
import { mkdir, symlink } from "node:fs/promises";
import { basename, join } from "node:path";
import { ensureCached } from "../host/cache.ts";
import type { PartStatus, ToolchainContext } from "../host/part.ts";

/**
 * A folder with the programs that were built here, for the front of PATH. Undefined when none was built. Each set of
 * programs has its own folder, so that checkouts that share the cache do not change each other's.
 */
export async function binFolder(
  context: ToolchainContext,
  statuses: readonly PartStatus[],
): Promise<string | undefined> {
  const programs = statuses.flatMap((status) =>
    status.way === "built" && status.location ? [status.location] : [],
  );
  if (programs.length === 0) return undefined;
  const recipe = createHash("sha256").update(programs.sort().join("\0")).digest("hex").slice(0, 12);
  const key = { part: "bin", version: String(programs.length), recipe };
  const folder = await ensureCached(context.cacheDir, key, context.report, async (unfinished) => {
    await mkdir(unfinished, { recursive: true });
    await Promise.all(programs.map((program) => symlink(program, join(unfinished, basename(program)))));
  });
  return folder;
}
