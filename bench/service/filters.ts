/** Streams that have a filter of their own each, as those of users who are logged in, beside streams that share one. */
import { median, type Row } from "../report.ts";
import { costOf, type Cost } from "./cost.ts";
import { load } from "./programs.ts";
import type { Target } from "./servers.ts";

const ROUNDS = 3;
/** The least that a stack may give to a replica. */
const LIMIT_MIB = 192;

/** How many streams there are, and how many events a second all of them get: what one core is not full with. */
const READERS = [
  { streams: 1000, rate: 60 },
  { streams: 5000, rate: 12 },
];
const SHARED = "topics=public.*";
const OWN = "topics=public.*,public.user%d.*";

interface Pair {
  readonly shared: Cost[];
  readonly own: Cost[];
  /** What went wrong for those who read: then its rows have no value, and say this instead. */
  readonly notes: string[];
}

const ratio = ({ shared, own, notes }: Pair, of: (cost: Cost) => number): number =>
  notes.length > 0 ? NaN : median(own.map(of)) / median(shared.map(of));
const textOf = (...parts: readonly string[]): string => parts.join("; ");

/** Runs the same load in turns on streams that share a filter and on streams that do not, each on a new process. */
async function compare(
  target: Target,
  client: string,
  options: Readonly<Record<string, string | number>>,
): Promise<Pair> {
  const pair: Pair = { shared: [], own: [], notes: [] };
  for (let round = 0; round < ROUNDS; round++) {
    for (const [kind, topics] of [
      ["shared", SHARED],
      ["own", OWN],
    ] as const) {
      const filtered = { ...target, streamUrl: `${target.streamUrl}?${topics}` };
      // What an earlier load made a process grow by stays with it, and would hide what this one takes.
      await target.restart();
      await load(client, filtered, { clients: 100, rate: 50, duration: "2s", drain: "500ms", ramp: "500ms" });
      pair[kind].push(
        await costOf(target.pid(), async () => {
          const { lost, reconnects } = await load(client, filtered, options);
          if (lost + reconnects > 0)
            pair.notes.push(`${kind}: ${lost} deliveries lost, ${reconnects} streams dropped`);
        }),
      );
    }
  }
  return pair;
}

/** @param client where sse-load is. */
export async function compareFilters(target: Target, client: string): Promise<Row[]> {
  const rows: Row[] = [];
  for (const { streams, rate } of READERS) {
    const what = `${streams.toLocaleString("en")} streams with a filter each, beside one shared filter`;
    const ramp = `${streams / 1000}s`;
    const read = await compare(target, client, {
      clients: streams,
      rate,
      publishers: 32,
      duration: "5s",
      drain: "1s",
      ramp,
    });
    const seconds = ({ cpuSeconds }: Cost): number => cpuSeconds;
    const peak = ({ peakMiB }: Cost): number => peakMiB;
    rows.push(
      {
        what: `${what}: CPU, all read`,
        unit: "×",
        values: [ratio(read, seconds)],
        limit: 1.3,
        detail: textOf(...read.notes, `${median(read.own.map(seconds)).toFixed(1)} s`),
      },
      {
        what: `${what}: memory, all read`,
        unit: "×",
        values: [ratio(read, peak)],
        limit: 1.2,
        detail: textOf(...read.notes, `${median(read.own.map(peak)).toFixed(0)} MiB`),
      },
    );
    const stalled = await compare(target, client, {
      ...{ clients: 20, deaf: streams, rate: 60, payload: 30_000, publishers: 16 },
      ...{ duration: "5s", drain: "2s", ramp },
    });
    rows.push(
      {
        what: `${what}: memory, none of them reads`,
        unit: "×",
        values: [ratio(stalled, peak)],
        limit: 1.2,
        detail: textOf(...stalled.notes),
      },
      {
        what: `${streams.toLocaleString("en")} streams with a filter each, none of which reads: most memory`,
        unit: "MiB",
        values: stalled.notes.length > 0 ? [NaN] : stalled.own.map(peak),
        limit: LIMIT_MIB,
        detail: textOf("events of 30 KB, 60 a second, beside 20 streams that read", ...stalled.notes),
      },
    );
  }
  return rows;
}
