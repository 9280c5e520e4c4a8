/** Waits until a condition is true. */
import { setTimeout as sleep } from "node:timers/promises";

/** What is promised within a time says so itself; all else may take as long as a busy machine takes for it, in ms. */
export const PATIENCE_MS = 30_000;

export async function eventually(
  what: string,
  isTrue: () => boolean | Promise<boolean>,
  ms = PATIENCE_MS,
): Promise<void> {
  const end = Date.now() + ms;
  while (!(await isTrue())) {
    if (Date.now() > end) throw new Error(`${what}: not within ${ms} ms`);
    await sleep(30);
  }
}

const TICK_MS = 50;

/** What this thread has worked so far, in milliseconds. Others of the process, as those that hash passwords, do not count. */
const workedMs = (): number => {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
};

/**
 * Does `work`, and measures how much time this thread did not get meanwhile. A promise of a time is kept by a service that
 * gets its processor: what a busy machine takes away from it is added to the time. A service that keeps its event loop busy
 * has the processor, so that its timers are late for longer than what is added.
 * @returns with `lateMs`, how long the thread neither waited for its next timer nor worked, in all.
 */
export async function measured<T>(
  work: () => Promise<T>,
): Promise<{ readonly result: T; readonly lateMs: number }> {
  let lateMs = 0;
  let looked = performance.now();
  let worked = workedMs();
  const look = (): void => {
    const [now, workedNow] = [performance.now(), workedMs()];
    lateMs += Math.max(0, now - looked - Math.max(TICK_MS, workedNow - worked));
    [looked, worked] = [now, workedNow];
  };
  const timer = setInterval(look, TICK_MS);
  try {
    const result = await work();
    look();
    return { result, lateMs };
  } finally {
    clearInterval(timer);
  }
}

/** How often something is tried that a busy machine may have been too slow for. */
const ATTEMPTS = 5;

/**
 * For what only holds for a time: a bucket that fills up again, a token that ends, an answer that is kept. An attempt that
 * fails after that time says nothing, and is made again from its beginning; one that fails within it has failed.
 * @param ms how long what is looked at holds.
 */
export async function whileItHolds<T>(ms: number, attempt: () => Promise<T>): Promise<T> {
  for (let left = ATTEMPTS - 1; ; left--) {
    const began = performance.now();
    try {
      return await attempt();
    } catch (error) {
      if (left === 0 || performance.now() - began < ms) throw error;
    }
  }
}
