/**
 * Traffic for a stack while something happens to it: GETs, POSTs, and streams with numbered events. It runs in a thread of its
 * own: a test may wait for a command (`execFileSync`), and a load that waits with it sends nothing at the very moment that
 * counts, and afterwards everything at once, on connections that the edge has closed meanwhile.
 */
import { strict as assert } from "node:assert";
import { Worker } from "node:worker_threads";
import { tellFailure } from "./load.ts";
import { apart, tellStall, watchStalls, type Stall } from "./stalls.ts";
import type { TrafficOptions, TrafficResult as LoadOfThread } from "./traffic-thread.ts";

export interface TrafficResult extends LoadOfThread {
  /** When the machine stood still meanwhile. */
  readonly stalls: readonly Stall[];
}

export interface Traffic {
  /**
   * Stops, waits for the requests in flight, and accounts for all. What was refused because the machine stood still is told and not
   * among the failures. @throws the error that ended its thread
   */
  stop(): Promise<TrafficResult>;
}

/**
 * @param url of the edge.
 * @param rate requests a second: half GET /api/diag, half POST /api/events with a number.
 * @param streams clients that follow the events and reconnect with their last id.
 * @param headers of each request, such as who publishes.
 * @param instead where requests go, one after the other, once the edge takes no connection; the streams wait for it. Default: nowhere.
 * @throws Error when the streams cannot be opened.
 */
export async function startTraffic(
  url: string,
  rate: number,
  streams: number,
  headers: Readonly<Record<string, string>> = {},
  instead: readonly string[] = [],
): Promise<Traffic> {
  // First, because the load's time begins with its thread.
  const watch = await watchStalls();
  const worker = new Worker(new URL("./traffic-thread.ts", import.meta.url), {
    workerData: { url, rate, streams, headers, instead } satisfies TrafficOptions,
  });
  const ended = new Promise<never>((_, reject) => {
    worker.once("error", reject);
    worker.once("exit", (code) => reject(new Error(`the thread of the traffic ended with ${code}`)));
  });
  // Who waits for it hears of it.
  ended.catch(() => undefined);
  const said = <T>(): Promise<T> =>
    Promise.race([ended, new Promise<T>((resolve) => worker.once("message", resolve))]);
  try {
    await said();
  } catch (error) {
    await watch.stop();
    throw error;
  }
  // A test that failed before it stopped it is over all the same.
  worker.unref();
  return {
    async stop() {
      worker.ref();
      const answer = said<LoadOfThread>();
      worker.postMessage("stop");
      try {
        const result = await answer;
        const stalls = await watch.stop();
        const { counted, ofStalls } = apart(result.failures, stalls, result.sent);
        if (ofStalls.length > 0)
          for (const line of [...stalls.map(tellStall), ...ofStalls.map(tellFailure)])
            console.log(`      ${line}`);
        return { ...result, failures: counted, stalls };
      } finally {
        await worker.terminate();
      }
    },
  };
}

/** The promise: no request failed, and every stream saw every acknowledged event once, in one and the same order. */
export function assertNothingDropped(result: TrafficResult): void {
  assert.deepEqual(
    result.failures.map(tellFailure),
    [],
    `${result.failures.length} of ${result.sent} requests failed`,
  );
  assert.equal(result.refusals, 0, "a stream was answered with something other than 200");
  assert.equal(result.resets, 0, "a stream was told that history is gone");
  const expected = new Set(result.acknowledged);
  for (const seen of result.seen) {
    const got = new Set(seen);
    assert.equal(seen.length, got.size, "an event came twice");
    assert.deepEqual(
      [...expected].filter((n) => !got.has(n)),
      [],
      "events were lost",
    );
    assert.deepEqual(seen, result.seen[0], "two streams saw different orders");
  }
}
