/**
 * In which minutes the service took requests, by day: what it knows of itself, whoever looks. A minute counts when a
 * replica was ready in it and could write that down, so an outage of PostgreSQL counts as one of the service.
 */
import type pg from "pg";
import { between, pause } from "../platform/deadline.ts";
import { ANSWER_MS, queryWithin } from "../platform/postgres.ts";
import type { Uptime } from "./schema.ts";

/** How often a replica says that it is there, in ms: a minute has at least two of them. */
const BEAT_MS = 20_000;
/** And how soon after it could not, in ms. */
const AGAIN_MS = 1000;
const DEADLINE_MS = 1500;
const DAYS = 90;
const MINUTES = 1440;

interface Row {
  readonly day: string;
  readonly first: number;
  readonly up: number;
  readonly well: number;
}

export class UptimeRecord {
  readonly #pool: pg.Pool;
  readonly #stop = new AbortController();

  constructor(pool: pg.Pool) {
    this.#pool = pool;
  }

  /** @param now undefined while the replica takes no requests; else whether nothing needs attention. */
  start(now: () => { readonly isWell: boolean } | undefined): void {
    void this.#run(now);
  }

  stop(): void {
    this.#stop.abort();
  }

  async #run(now: () => { readonly isWell: boolean } | undefined): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const state = now();
      // What cannot be written is not known later, and counts as away.
      const isWritten =
        state !== undefined &&
        (await this.mark(state.isWell).then(
          () => true,
          () => false,
        ));
      await pause(between(0.8, 1.2) * (isWritten ? BEAT_MS : AGAIN_MS), signal);
    }
  }

  /** Marks this minute. */
  async mark(isWell: boolean): Promise<void> {
    await queryWithin(
      this.#pool,
      DEADLINE_MS,
      `WITH now AS (
         SELECT (now() AT TIME ZONE 'utc')::date AS day,
           floor(extract(epoch FROM (now() AT TIME ZONE 'utc')::time) / 60)::int AS minute
       )
       INSERT INTO uptime_days AS known (day, up, well)
       SELECT day, set_bit(B'0'::bit(1440), minute, 1), set_bit(B'0'::bit(1440), minute, $1::int) FROM now
       ON CONFLICT (day) DO UPDATE SET
         up = set_bit(known.up, (SELECT minute FROM now), 1),
         well = known.well | excluded.well
       WHERE get_bit(known.up, (SELECT minute FROM now)) = 0 OR known.well <> (known.well | excluded.well)`,
      [isWell ? 1 : 0],
    );
  }

  /** The last 90 days, the oldest first. @throws the error of PostgreSQL. */
  async read(): Promise<Uptime["days"]> {
    const rows = await queryWithin<Row>(
      this.#pool,
      ANSWER_MS,
      `SELECT day::text, position(B'1' IN up) - 1 AS first, bit_count(up)::int AS up, bit_count(well)::int AS well
       FROM uptime_days WHERE day > (now() AT TIME ZONE 'utc')::date - ${DAYS}
         OR day = (SELECT min(day) FROM uptime_days) ORDER BY day`,
    );
    return uptimeOf(rows, new Date());
  }
}

/**
 * Pure: every day since the first, but 90 at most, also those in which nothing was written.
 * @param rows the first of all, and those that are known of the last 90 days
 */
export function uptimeOf(rows: readonly Row[], now: Date): Uptime["days"] {
  const [oldest] = rows;
  if (!oldest) return [];
  const known = new Map(rows.map((row) => [row.day, row]));
  const today = now.toISOString().slice(0, 10);
  const days: Uptime["days"] = [];
  const from = Date.parse(today) - (DAYS - 1) * 86_400_000;
  for (let at = Math.max(Date.parse(oldest.day), from); at <= now.getTime(); at += 86_400_000) {
    const day = new Date(at).toISOString().slice(0, 10);
    const { up = 0, well = 0 } = known.get(day) ?? {};
    const begun = day === oldest.day ? oldest.first : 0;
    // The present minute is not over.
    const ended = day === today ? now.getUTCHours() * 60 + now.getUTCMinutes() + 1 : MINUTES;
    const minutes = Math.max(up, ended - begun - (day === today ? 1 : 0));
    days.push({ day, minutes, upMinutes: up, wellMinutes: Math.min(well, up) });
  }
  return days;
}
