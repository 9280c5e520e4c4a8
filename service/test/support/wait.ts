/** Waits until a condition is true. */
import { setTimeout as sleep } from "node:timers/promises";

/** What is promised within a time says so itself; all else may take as long as a busy machine takes for it, in ms. */
const PATIENCE_MS = 30_000;

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
