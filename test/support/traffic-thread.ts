/** The thread of traffic.ts: sends the requests and follows the events until it is told to stop, and accounts for all. */
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { parentPort, workerData } from "node:worker_threads";
import { eventually, openSse } from "./http.ts";
import { startLoad, type LoadResult } from "./load.ts";

export interface TrafficOptions {
  /** Of the edge. */
  readonly url: string;
  /** Requests a second: half GET /api/diag, half POST /api/events with a number. */
  readonly rate: number;
  /** How many clients follow the events and reconnect with their last id. */
  readonly streams: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Where requests go, one after the other, once the edge takes no connection. */
  readonly instead: readonly string[];
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

/** How long the streams may take to get the last acknowledged event, in milliseconds. */
const LAST_EVENT_MS = 60_000;

/** @returns what stops it and waits for the requests in flight, once every stream follows the log. */
async function run({
  url,
  rate,
  streams,
  headers,
  instead,
}: TrafficOptions): Promise<() => Promise<TrafficResult>> {
  // Streams may begin with the last events of earlier traffic, which do not count.
  const mark = randomUUID();
  const clients = Array.from({ length: streams }, () => openSse(`${url}/api/events`));
  await eventually("streams that follow the log", 30, () => clients.every(({ joins }) => joins > 0));
  const load = startLoad({
    url,
    instead,
    rate,
    request: (n) =>
      n % 2 === 0
        ? { method: "GET", path: "/api/diag", headers }
        : {
            method: "POST",
            path: "/api/events",
            headers: { ...headers, "content-type": "application/json" },
            body: JSON.stringify({ type: "numbered", data: { n, run: mark } }),
          },
  });
  return async () => {
    const result = await load.stop();
    const posted = Array.from({ length: result.sent }, (_, n) => n).filter((n) => n % 2 === 1);
    const failed = new Set(result.failures.map(({ n }) => n));
    const acknowledged = posted.filter((n) => !failed.has(n));
    const numbers = (client: (typeof clients)[number]) =>
      client.events
        .filter(({ event, data }) => event === "numbered" && data.includes(mark))
        .map(({ data }) => (JSON.parse(data) as { n: number }).n);
    const hasAll = (client: (typeof clients)[number]): boolean => {
      // Counting is not enough, because events that were not acknowledged may be in the log too.
      const got = new Set(numbers(client));
      return acknowledged.every((n) => got.has(n));
    };
    const enough = performance.now() + LAST_EVENT_MS;
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
  };
}

const stop = await run(workerData as TrafficOptions);
parentPort?.once("message", () => void stop().then((result) => parentPort?.postMessage(result)));
parentPort?.postMessage("started");
