/** Waits until a condition is true. */
import { setTimeout as sleep } from "node:timers/promises";

export async function eventually(
  what: string,
  isTrue: () => boolean | Promise<boolean>,
  ms = 10_000,
): Promise<void> {
  const end = Date.now() + ms;
  while (!(await isTrue())) {
    if (Date.now() > end) throw new Error(`${what}: not within ${ms} ms`);
    await sleep(30);
  }
}
