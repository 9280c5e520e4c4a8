/** Deadlines, pauses and random times. */

/** Something did not answer in its time. */
export class DeadlineError extends Error {
  constructor(what: string, ms: number) {
    super(`${what} did not answer within ${Math.round(ms)} ms`);
    this.name = "DeadlineError";
  }
}

/** A timer that is later than this, in ms, was held up: by work of this process, or by a machine that stood still. */
const HELD_UP_MS = 50;
/** How much longer, in ms, is waited then at most: less than what every deadline leaves to the promise behind it. */
const GRACE_MS = 100;

/**
 * Calls `late` after `ms`, but reads first what the sockets hold by then. On a busy machine this process may get no
 * processor for a second. Node then runs the timers that are due before it reads an answer that came in time. Where the
 * whole machine stood still, nobody else could answer either: they get a moment more.
 *
 * @returns what calls it off.
 */
export function whenLate(ms: number, late: () => void): () => void {
  let immediate: NodeJS.Immediate | undefined;
  const read = (): void => {
    immediate = setImmediate(late);
  };
  const due = performance.now() + Math.max(0, ms);
  let timer = setTimeout(
    () => {
      const heldUpMs = performance.now() - due;
      if (heldUpMs < HELD_UP_MS) read();
      else timer = setTimeout(read, Math.min(heldUpMs, GRACE_MS));
    },
    Math.max(0, ms),
  );
  return () => {
    clearTimeout(timer);
    clearImmediate(immediate);
  };
}

/**
 * Settles as `work` does, or rejects with DeadlineError after `ms`. The work itself goes on, so the caller frees what it
 * holds. When it rejects later, nobody hears of it, because the caller has its answer already.
 */
export async function withDeadline<T>(what: string, ms: number, work: Promise<T>): Promise<T> {
  let callOff = (): void => undefined;
  const late = new Promise<never>((_resolve, reject) => {
    callOff = whenLate(ms, () => reject(new DeadlineError(what, ms)));
  });
  work.catch(() => undefined);
  try {
    return await Promise.race([work, late]);
  } finally {
    callOff();
  }
}

/** A random number from `min` to `max`. It keeps replicas and clients from doing the same thing at the same time. */
export function between(min: number, max: number): number {
  return min + Math.random() * (max - min);
}

/** Waits `ms`, or less when `signal` aborts; never rejects. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const done = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener("abort", done, { once: true });
  });
}

/** A message for a log line. Never the error itself: it may hold connection parameters. */
export function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === "") return error.errors.map(reasonOf).join("; ");
  return error instanceof Error ? error.message || error.name : String(error);
}
