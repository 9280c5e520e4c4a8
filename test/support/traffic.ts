/** Traffic for a stack while something happens to it: GETs, POSTs, and streams with numbered events. */
import { strict as assert } from "node:assert";
import { randomUUID } from "node:crypto";
import { startLoad, tellFailure, type LoadResult } from "./load.ts";
import { eventually, openSse } from "./http.ts";

export interface Traffic {
  /** Stops, waits for the requests in flight, and accounts for all. */
  stop(): Promise<TrafficResult>;
}

export interface TrafficResult extends LoadResult {
  /** The acknowledged numbers, in the order in which they were posted. */
  readonly acknowledged: readonly number[];
  /** The numbers that each stream got, in order of arrival. */
  readonly seen: readonly (readonly number[])[];
  /** Answers to stream requests that were not 200. */
  readonly refusals: number;
  readonly resets: number;
}

/**
 * @param url of the edge.
 * @param rate requests a second: half GET /api/diag, half POST /api/events with a number.
 * @param streams clients that follow the events and reconnect with their last id.
 */
export async function startTraffic(url: string, rate: number, streams: number): Promise<Traffic> {
  // Streams may begin with the last events of earlier traffic, which do not count.
  const run = randomUUID();
  const clients = Array.from({ length: streams }, () => openSse(`${url}/api/events`));
  await eventually("streams that follow the log", 30, () => clients.every(({ joins }) => joins > 0));
  const load = startLoad({
    url,
    rate,
    request: (n) =>
      n % 2 === 0
        ? { method: "GET", path: "/api/diag" }
        : {
            method: "POST",
            path: "/api/events",
            headers: { "content-type": "application/json" },
            body: JSON.stringify({ type: "numbered", data: { n, run } }),
          },
  });
  return {
    async stop() {
      const result = await load.stop();
      const posted = Array.from({ length: result.sent }, (_, n) => n).filter((n) => n % 2 === 1);
      const failed = new Set(result.failures.map(({ n }) => n));
      const acknowledged = posted.filter((n) => !failed.has(n));
      const numbers = (client: (typeof clients)[number]) =>
        client.events
          .filter(({ event, data }) => event === "numbered" && data.includes(run))
          .map(({ data }) => (JSON.parse(data) as { n: number }).n);
      const hasAll = (client: (typeof clients)[number]): boolean => {
        // Counting is not enough, because events that were not acknowledged may be in the log too.
        const got = new Set(numbers(client));
        return acknowledged.every((n) => got.has(n));
      };
      const enough = performance.now() + 60_000;
      while (!clients.every(hasAll) && performance.now() < enough) await sleep(100);
      clients.forEach((client) => client.close());
      return {
        ...result,
        acknowledged,
        seen: clients.map(numbers),
        refusals: clients.reduce((sum, { refusals }) => sum + refusals.length, 0),
        resets: clients.reduce(
          (sum, { events }) => sum + events.filter(({ event }) => event === "reset").length,
          0,
        ),
      };
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

const sleep = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));
