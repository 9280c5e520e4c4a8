/** The folder that puts the plugins that were chosen at the front of PATH, where the CLI takes them first. */
import { createHash } from "node:crypto";
import { mkdir, symlink } from "node:fs/promises";
import { basename, join } from "node:path";
import { ensureCached } from "../host/cache.ts";
import type { PartStatus, ToolchainContext } from "../host/part.ts";
import { findOnPath } from "../host/path.mjs";

/**
 * A folder with the programs that were built here, for the front of PATH. A plugin that the CLI installed is in it where an
 * older one is on PATH, which the CLI would prefer. Undefined when there is no such program. Each set of
 * programs has its own folder, so that checkouts that share the cache do not change each other's.
 */
export async function binFolder(
  context: ToolchainContext,
  statuses: readonly PartStatus[],
): Promise<string | undefined> {
  const programs = statuses.flatMap((status) =>
    status.location !== undefined && (status.way === "built" || isShadowed(context, status))
      ? [status.location]
      : [],
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

const isShadowed = ({ env, cacheDir }: ToolchainContext, { name, way }: PartStatus): boolean =>
  way === "downloaded" && name.startsWith("pulumi-resource-") && findOnPath(name, env, [cacheDir]).length > 0;
