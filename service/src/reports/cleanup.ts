import { between, pause, reasonOf } from "../platform/deadline.ts";
import type { Logger } from "../platform/logging.ts";
import type { ReportStore } from "./store.ts";

const batch = 500;
/** Batches a round: bounds what one round may cost; what is left waits for the next. */
const maxBatches = 20;

/**
 * Removes what is too old or too many, in small portions, every now and then; the replicas' rounds are out of step.
 * @returns a function that stops it.
 */
export function startCleanup(store: ReportStore, intervalMs: number, logger: Logger): () => void {
  const stop = new AbortController();
  const round = async (): Promise<void> => {
    let removed = 0;
    for (let batches = 0; batches < maxBatches && !stop.signal.aborted; batches++) {
      const count = await store.removeSome(batch);
      removed += count;
      if (count < batch) break;
      await pause(50, stop.signal);
    }
    if (removed > 0) logger.info({ removed }, "old client reports removed");
  };
  const repeat = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      await pause(between(0.5, 1.5) * intervalMs, stop.signal);
      if (stop.signal.aborted) return;
      await round().catch((error: unknown) =>
        logger.warn({ reason: reasonOf(error) }, "old client reports not removed"),
      );
    }
  };
  void repeat();
  return () => stop.abort();
}
