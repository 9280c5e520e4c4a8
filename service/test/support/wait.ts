/** Waits until a condition is true. */
import { setTimeout as sleep } from "node:timers/promises";

/** What is promised within a time says so itself; all else may take as long as a busy machine takes for it, in ms. */
export const PATIENCE_MS = 30_000;

/** What was waited for did not come in time. */
export class WaitError extends Error {
  /** How long it was waited for. */
  readonly ms: number;

  constructor(what: string, ms: number, details = "") {
    super(`${what}: not within ${ms} ms${details}`);
    this.ms = ms;
  }
}

/** @throws WaitError where it is not true in time. */
export async function eventually(
  what: string,
  isTrue: () => boolean | Promise<boolean>,
  ms = PATIENCE_MS,
): Promise<void> {
  const end = Date.now() + ms;
  while (!(await isTrue())) {
    if (Date.now() > end) throw new WaitError(what, ms);
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
/** No attempt begins later, so that the error of the last one comes before Mocha's, which knows no reason. */
const LAST_ATTEMPT_MS = 60_000;

/**
 * For what only holds for a time: a bucket that fills up again, a token that ends, an answer that is kept. An attempt that
 * fails after that time says nothing, and is made again from its beginning; one that fails within it has failed. So has one
 * that waited in vain for as long as a busy machine may take: a wait for what holds no longer than `ms` gets a time of its own.
 * @param ms how long what is looked at holds.
 * @throws what an attempt failed with; where all came too late, an Error with the reason of each, caused by the last.
 */
export async function whileItHolds<T>(ms: number, attempt: () => Promise<T>): Promise<T> {
  const first = performance.now();
  const reasons: string[] = [];
  for (;;) {
    const began = performance.now();
    try {
      return await attempt();
    } catch (error) {
      const now = performance.now();
      if (now - began < ms || (error instanceof WaitError && error.ms >= PATIENCE_MS)) throw error;
      const reason = error instanceof Error ? error.message : String(error);
      reasons.push(`after ${Math.round(now - began)} ms: ${reason}`);
      if (reasons.length < ATTEMPTS && now - first < LAST_ATTEMPT_MS) continue;
      const what = `${reasons.length} attempts at what holds for ${ms} ms failed later`;
      throw new Error([what, ...reasons].join("\n"), { cause: error });
    }
  }
}

/**
 * For a promise of a time, where `measured` knows too little: what a busy machine takes away from PostgreSQL, Redis or another
 * process is not this thread's. A service that does not keep its promise breaks it each time, a busy machine at times.
 * @param ms what is promised.
 * @param attempt how long each thing took, in ms. What it throws is thrown.
 * @throws Error with what each attempt took, where none has kept it.
 */
export async function promised(ms: number, attempt: () => Promise<readonly number[]>): Promise<void> {
  const first = performance.now();
  const took: string[] = [];
  while (took.length < ATTEMPTS && performance.now() - first < LAST_ATTEMPT_MS) {
    const times = await attempt();
    if (times.every((each) => each < ms)) return;
    took.push(times.map((each) => Math.round(each)).join(", "));
  }
  throw new Error(`promised within ${ms} ms, and took:\n${took.join("\n")}`);
}
