import { mkdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { isAlive, thisProcess, type ProcessIdentity } from "./process.ts";

export interface LockOptions {
  /** Called once when another process holds the lock. */
  readonly onWait?: (holder: ProcessIdentity) => void;
  /** How often to look again, in milliseconds. Default: 250. */
  readonly poll?: number;
}

/**
 * Runs `run` while this process alone holds the lock file. A second one waits; the lock of a process that died is
 * taken over.
 */
export async function withLock<T>(
  path: string,
  run: () => Promise<T>,
  options: LockOptions = {},
): Promise<T> {
  await mkdir(dirname(path), { recursive: true });
  let told = false;
  while (!(await tryCreate(path))) {
    const holder = await holderOf(path);
    if (holder && !isAlive(holder)) {
      await takeAway(path);
      continue;
    }
    if (holder && !told) {
      told = true;
      options.onWait?.(holder);
    }
    await sleep(options.poll ?? 250);
  }
  try {
    return await run();
  } finally {
    await rm(path, { force: true });
  }
}

async function tryCreate(path: string): Promise<boolean> {
  try {
    await writeFile(path, JSON.stringify(thisProcess()), { flag: "wx" });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

/** Undefined when the lock is gone, or is just being written. Half a lock that stays so is one of a dead process. */
async function holderOf(path: string): Promise<ProcessIdentity | undefined> {
  try {
    return JSON.parse(await readFile(path, "utf8")) as ProcessIdentity;
  } catch {
    return (await isOld(path)) ? { pid: 0x7fffffff } : undefined;
  }
}

/**
 * Two that both find a dead holder must not both remove the file: the second would remove the first one's new lock.
 * So removing is done under a lock of its own, and only after a second look.
 */
async function takeAway(path: string): Promise<void> {
  const steal = `${path}.steal`;
  if (await isOld(steal)) await rm(steal, { force: true });
  if (!(await tryCreate(steal))) {
    await sleep(50);
    return;
  }
  try {
    const holder = await holderOf(path);
    if (holder && !isAlive(holder)) await rm(path, { force: true });
  } finally {
    await rm(steal, { force: true });
  }
}

/** What is written and removed at once is old after ten seconds. */
async function isOld(path: string): Promise<boolean> {
  try {
    return Date.now() - (await stat(path)).mtimeMs > 10_000;
  } catch {
    return false;
  }
}
