/** Pure functions that compute the figures of a scenario from the account of a load. */
import { quantile } from "../../test/support/load.ts";
import { EVENT, GET, ROW, type Account, type Failure } from "./traffic.ts";

/** How many containers of the service were running, and how many of those were healthy. */
export interface ReplicaSample {
  readonly at: number;
  readonly running: number;
  readonly healthy: number;
}

/** The numbered rows that are in the database. */
export interface StoredRows {
  /** How often the database has each number. */
  readonly times: ReadonlyMap<number, number>;
}

/** @param lines the stored names, one on each line. @param run the prefix of these names. */
export function parseRows(lines: string, run: string): StoredRows {
  const times = new Map<number, number>();
  for (const line of lines.split("\n").filter((part) => part !== "")) {
    const number = Number(line.slice(run.length + 1));
    times.set(number, (times.get(number) ?? 0) + 1);
  }
  return { times };
}

export interface Figures {
  /** By kind: GET, POST of a row, POST of an event. */
  readonly sent: readonly number[];
  readonly failed: readonly number[];
  /** How many of the failed requests got an answer other than 503 with Retry-After. */
  readonly brusque: number;
  /** The time of the slowest 503, ms. */
  readonly slowest503Ms: number;
  /** Acknowledged rows that are missing from the database. */
  readonly rowsMissing: number;
  readonly rowsDoubled: number;
  readonly eventsLost: number;
  readonly eventsDoubled: number;
  readonly eventsDisordered: number;
  readonly resets: number;
  readonly refusals: number;
  readonly reconnects: number;
  /** The longest time in which an open or resuming stream got no event, s. */
  readonly longestSilence: number;
  readonly quietP99Ms: number;
  readonly p99Ms: number;
  /** Time from the start of the act to the last failed request, s; 0 if no request failed. */
  readonly lastFailure: number;
  /** CPU cores that the load generator itself used. */
  readonly generatorCpus: number;
  /** The most common failures: kind, status, reason, count, and the time of the first (s from the start of the act). */
  readonly reasons: readonly string[];
}

export interface Timeline {
  /** The second of the first value, counted from the start of the act. */
  readonly from: number;
  /** When the act was over. */
  readonly until: number;
  readonly answered: readonly number[];
  readonly failed: readonly number[];
  readonly streams: readonly number[];
  readonly replicas: readonly number[];
  /** p99 of the successful requests that were sent in each second, ms; null if there were none. */
  readonly p99Ms: readonly (number | null)[];
}

/** The first part is not counted as quiet, because streams open and connection pools fill in it, ms. */
const SETTLING = 5000;

export const failuresOf = (account: Account): readonly Failure[] => account.requests.failures ?? [];

const p99Of = (samples: Account["requests"]["samples"]): number =>
  quantile(
    samples
      .filter(([, , , status]) => status >= 200 && status < 300)
      .map(([, , ms]) => ms)
      .sort((left, right) => left - right),
    0.99,
  );

/** @param began when the act began, after a quiet time (Unix ms). @param counted the failures that count; default: all. */
export function measure(
  account: Account,
  stored: StoredRows,
  began: number,
  ended: number,
  counted = failuresOf(account),
): Figures {
  const failures = failuresOf(account);
  const { samples, sent } = account.requests;
  const p99 = (from: number, to: number): number => p99Of(samples.filter(([at]) => at >= from && at < to));
  const unacknowledged = new Set(failures.filter(({ kind }) => kind === ROW).map(({ number }) => number));
  const rows = Array.from({ length: sent[ROW] ?? 0 }, (_, number) => number);
  const first = samples.reduce((least, [at]) => Math.min(least, at), Infinity);
  const last = samples.reduce((most, [at, , ms]) => Math.max(most, at + ms), 0);
  const { streams } = account;
  const silences = streams.silences.filter(({ to }) => to >= began);
  return {
    sent,
    failed: [GET, ROW, EVENT].map((kind) => counted.filter((failure) => failure.kind === kind).length),
    brusque: counted.filter(({ status, retryAfter }) => !(status === 503 && retryAfter)).length,
    slowest503Ms: Math.max(0, ...counted.filter(({ status }) => status === 503).map(({ ms }) => ms)),
    rowsMissing: rows.filter((number) => !unacknowledged.has(number) && !stored.times.has(number)).length,
    rowsDoubled: [...stored.times.values()].filter((times) => times > 1).length,
    eventsLost: streams.lost,
    eventsDoubled: streams.doubled,
    eventsDisordered: streams.disordered,
    resets: streams.resets,
    refusals: streams.refusals,
    reconnects: streams.reconnects,
    longestSilence: Math.max(0, ...silences.map(({ from, to }) => to - from)) / 1000,
    quietP99Ms: p99(Math.min(first + SETTLING, began - 1000), began),
    p99Ms: p99(began, ended),
    lastFailure: Math.max(0, ...counted.map(({ at }) => (at - began) / 1000)),
    generatorCpus: account.cpuSeconds / ((last - first) / 1000),
    reasons: reasonsOf(failures, began),
  };
}

/** At most six failures: a person looks at these first when a scenario does not hold. */
function reasonsOf(failures: readonly Failure[], began: number): string[] {
  const groups = new Map<string, number[]>();
  for (const { kind, status, why, at } of failures) {
    // Addresses, ports and ids are removed, because they differ from failure to failure.
    const plain = why
      .replace(/"(instance|requestId)":"[^"]*",?/g, "")
      .replace(/\d+\.\d+\.\d+\.\d+:\d+/g, "…");
    const key = `${["GET", "POST row", "POST event"][kind] ?? ""} ${status} ${plain.trim().slice(0, 160)}`;
    groups.set(key, [...(groups.get(key) ?? []), (at - began) / 1000]);
  }
  return [...groups]
    .sort(([, left], [, right]) => right.length - left.length)
    .slice(0, 6)
    .map(
      ([key, times]) =>
        `${times.length} × ${key} (${Math.min(...times).toFixed(1)} to ${Math.max(...times).toFixed(1)} s)`,
    );
}

/** One value for each second, for the chart. */
export function timeline(
  account: Account,
  replicas: readonly ReplicaSample[],
  began: number,
  ended: number,
): Timeline {
  const { samples } = account.requests;
  const second = (at: number): number => Math.floor((at - began) / 1000);
  const from = samples.reduce((least, [at]) => Math.min(least, second(at)), 0);
  const to = samples.reduce((most, [at]) => Math.max(most, second(at)), 0);
  const length = to - from + 1;
  const count = (ats: readonly number[]): number[] => {
    const counts = Array<number>(length).fill(0);
    for (const at of ats) {
      const index = second(at) - from;
      if (index >= 0 && index < length) counts[index] = (counts[index] ?? 0) + 1;
    }
    return counts;
  };
  /** The lowest value in each second; a second without a value takes that of the second before. */
  const least = (values: readonly (readonly [number, number])[]): number[] => {
    const found = Array<number | undefined>(length).fill(undefined);
    for (const [at, value] of values) {
      const index = second(at) - from;
      if (index >= 0 && index < length) found[index] = Math.min(found[index] ?? Infinity, value);
    }
    let before = found.find((value) => value !== undefined) ?? 0;
    return found.map((value) => (before = value ?? before));
  };
  const bySecond = Map.groupBy(samples, ([at]) => second(at) - from);
  return {
    from,
    until: second(ended),
    answered: count(samples.filter(([, , , status]) => status > 0).map(([at, , ms]) => at + ms)),
    failed: count(failuresOf(account).map(({ at }) => at)),
    streams: least(account.streams.series.map(([at, open]) => [at, open])),
    replicas: least(replicas.map(({ at, healthy }) => [at, healthy])),
    p99Ms: Array.from({ length }, (_, index) => p99Of(bySecond.get(index) ?? [])).map((value) =>
      Number.isFinite(value) ? value : null,
    ),
  };
}
