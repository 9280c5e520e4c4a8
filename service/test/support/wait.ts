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
