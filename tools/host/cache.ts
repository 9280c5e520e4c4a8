/** The cache: one folder for each part, version and recipe. */
import { existsSync } from "node:fs";
import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { withLock } from "./lock.mjs";
import type { Reporter } from "./part.ts";
import { isAlive, thisProcess } from "./process.mjs";

/** What one folder of the cache holds. */
export interface CacheKey {
  /** The part's name: a folder of the cache. */
  readonly part: string;
  readonly version: string;
  /** What it was made from: a changed recipe gets a folder of its own. */
  readonly recipe: string;
}

/** The folder of a part. It exists only when it is complete. */
export function cachedFolder(cacheDir: string, key: CacheKey): string {
  return join(cacheDir, key.part, `${key.version}-${key.recipe}`);
}

/**
 * Returns the part's folder, and fills it first when it is not there. `fill` works in a folder beside it, which is
 * renamed at the end, so that a killed build leaves nothing that looks complete. A second process waits for the first
 * and uses its result.
 */
export async function ensureCached(
  cacheDir: string,
  key: CacheKey,
  report: Reporter,
  fill: (folder: string) => Promise<void>,
): Promise<string> {
  const folder = cachedFolder(cacheDir, key);
  if (existsSync(folder)) return folder;
  // The other process may take minutes, so waiting for it is shown as a step.
  const { promise: ourTurn, resolve: takeTurn } = Promise.withResolvers<void>();
  const onWait = ({ pid }: { readonly pid: number }): void =>
    void report.step(`Waiting for process ${pid}, which is making ${key.part} ${key.version}`, () => ourTurn);
  await withLock(
    `${folder}.lock`,
    async () => {
      takeTurn();
      if (existsSync(folder)) return;
      await sweep(join(cacheDir, key.part));
      const { pid, start } = thisProcess();
      const unfinished = join(
        cacheDir,
        key.part,
        `.unfinished-${pid}-${start ?? ""}-${key.version}-${key.recipe}`,
      );
      await mkdir(unfinished, { recursive: true });
      try {
        await fill(unfinished);
        await rename(unfinished, folder);
      } catch (error) {
        await rm(unfinished, { recursive: true, force: true });
        throw error;
      }
    },
    { onWait },
  ).finally(takeTurn);
  return folder;
}

/** Removes the unfinished folders of processes that are gone. */
export async function sweep(partDir: string): Promise<void> {
  for (const name of await readdir(partDir).catch(() => [])) {
    const match = /^\.unfinished-(\d+)-(\d*)-/.exec(name);
    if (match && !isAlive(Number(match[1]), match[2] || undefined)) {
      await rm(join(partDir, name), { recursive: true, force: true });
    }
  }
}
