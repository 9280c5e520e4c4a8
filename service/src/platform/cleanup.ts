/** Removes old rows every now and then. */
import { between, pause, reasonOf } from "./deadline.ts";
import type { Logger } from "./logging.ts";

export interface Cleanable {
  /** Removes at most `limit` rows that are too old or too many. @returns how many it removed. */
  removeSome(limit: number): Promise<number>;
}

const BATCH = 500;
/** How many batches one round has at most; what is left waits for the next round. */
const MAX_BATCHES = 20;

/**
 * Removes what is too old or too many, in small portions, every now and then. The replicas' rounds are not in step.
 * @returns a function that stops it.
 */
export function startCleanup(what: string, store: Cleanable, intervalMs: number, logger: Logger): () => void {
  const stop = new AbortController();
  const round = async (): Promise<void> => {
    let removed = 0;
    for (let batches = 0; batches < MAX_BATCHES && !stop.signal.aborted; batches++) {
      const count = await store.removeSome(BATCH);
      removed += count;
      if (count < BATCH) break;
      await pause(50, stop.signal);
    }
    if (removed > 0) logger.info({ removed }, `old ${what} removed`);
  };
  const repeat = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      await pause(between(0.5, 1.5) * intervalMs, stop.signal);
      if (stop.signal.aborted) return;
      await round().catch((error: unknown) =>
        logger.warn({ reason: reasonOf(error) }, `old ${what} not removed`),
      );
    }
  };
  void repeat();
  return () => stop.abort();
}
