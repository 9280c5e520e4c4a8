/** Reports of pages, in PostgreSQL. */
import type pg from "pg";
import { CLEANUP_MS, queryWithin } from "../platform/postgres.ts";
import type { ClientReport } from "./schema.ts";

/** How well the connections of pages worked in the last minutes. */
export interface ConnectionQuality {
  readonly minutes: number;
  readonly reports: number;
  readonly clients: number;
  /** Medians over the reports; null when none had a latency. */
  readonly latencyP50Ms: number | null;
  readonly latencyP95Ms: number | null;
  readonly reconnects: number;
  readonly errors: number;
}

/** One kind of error that pages reported in the last minutes, in whichever pages it was. */
export interface ReportedError {
  readonly message: string;
  readonly count: number;
  readonly clients: number;
}

/** How long reports are kept, and how many: a flood over days would fill the disk that everything else needs. */
export interface ReportLimits {
  readonly keepDays: number;
  readonly maxRows: number;
}

/** The newest report of a page about its connection. */
export interface ReportedConnection {
  readonly at: string;
  readonly roundTripMs: number | undefined;
  readonly reconnects: number;
}

export interface ReportStore {
  /** The newest report of each of these clients in the last minutes. */
  latest(clients: readonly string[], deadlineMs: number): Promise<ReadonlyMap<string, ReportedConnection>>;
  /** Resolves when the report is committed. */
  add(report: ClientReport, deadlineMs: number): Promise<void>;
  /** Removes at most `limit` rows that are too old or too many. @returns how many it removed. */
  removeSome(limit: number): Promise<number>;
  quality(deadlineMs: number): Promise<ConnectionQuality>;
  /** The most frequent first. */
  topErrors(deadlineMs: number): Promise<ReportedError[]>;
}

const QUALITY_MINUTES = 15;
/** Of so many reports with errors, the newest, the errors are counted: each has up to twenty kinds. */
const ERROR_REPORTS = 500;
const TOP_ERRORS = 10;

/** PostgreSQL refuses numbers that are too small for a column of type real. */
const rounded = (ms: number | undefined): number | null =>
  ms === undefined ? null : Math.round(ms * 1000) / 1000;

export class PostgresReportStore implements ReportStore {
  readonly #pool: pg.Pool;
  readonly #replica: string;
  readonly #limits: ReportLimits;

  constructor(pool: pg.Pool, replica: string, limits: ReportLimits) {
    this.#pool = pool;
    this.#replica = replica;
    this.#limits = limits;
  }

  async add(report: ClientReport, deadlineMs: number): Promise<void> {
    const errors = report.errors?.reduce((sum, { count = 1 }) => sum + count, 0) ?? 0;
    await queryWithin(
      this.#pool,
      deadlineMs,
      `INSERT INTO client_reports (replica, client, latency_p50_ms, latency_p95_ms, reconnects, errors, body)
       VALUES ($1, $2, $3, $4, $5, $6, $7)`,
      [
        this.#replica,
        report.client,
        rounded(report.latency?.p50Ms),
        rounded(report.latency?.p95Ms),
        report.reconnects?.count ?? 0,
        errors,
        JSON.stringify(report),
      ],
    );
  }

  async removeSome(limit: number): Promise<number> {
    // Skips rows that another replica is removing.
    const removed = await queryWithin(
      this.#pool,
      CLEANUP_MS,
      `DELETE FROM client_reports WHERE id IN (
         SELECT id FROM client_reports
         WHERE received_at < now() - make_interval(days => $1)
            OR id <= (SELECT id FROM client_reports ORDER BY id DESC OFFSET $2 LIMIT 1)
         ORDER BY id LIMIT $3 FOR UPDATE SKIP LOCKED)
       RETURNING id`,
      [this.#limits.keepDays, this.#limits.maxRows, limit],
    );
    return removed.length;
  }

  async latest(
    clients: readonly string[],
    deadlineMs: number,
  ): Promise<ReadonlyMap<string, ReportedConnection>> {
    const rows = await queryWithin<{ client: string; at: Date; trip: number | null; reconnects: number }>(
      this.#pool,
      deadlineMs,
      `SELECT DISTINCT ON (client) client, received_at AS at, reconnects,
         (body->>'roundTripMs')::float8 AS trip
       FROM client_reports
       WHERE client = ANY($1) AND received_at > now() - make_interval(mins => ${QUALITY_MINUTES})
       ORDER BY client, received_at DESC`,
      [clients],
    );
    return new Map(
      rows.map(({ client, at, trip, reconnects }) => [
        client,
        { at: at.toISOString(), roundTripMs: trip ?? undefined, reconnects },
      ]),
    );
  }

  async topErrors(deadlineMs: number): Promise<ReportedError[]> {
    return queryWithin<ReportedError>(
      this.#pool,
      deadlineMs,
      `SELECT error->>'message' AS message, sum(coalesce((error->>'count')::float8, 1)) AS count,
         count(DISTINCT client)::int AS clients
       FROM (SELECT client, body FROM client_reports
             WHERE errors > 0 AND received_at > now() - make_interval(mins => ${QUALITY_MINUTES})
             ORDER BY received_at DESC LIMIT ${ERROR_REPORTS}) AS recent,
         jsonb_array_elements(body->'errors') AS error
       GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT ${TOP_ERRORS}`,
    );
  }

  async quality(deadlineMs: number): Promise<ConnectionQuality> {
    const [row] = await queryWithin<{
      reports: number;
      clients: number;
      p50: number | null;
      p95: number | null;
      reconnects: number;
      errors: number;
    }>(
      this.#pool,
      deadlineMs,
      `SELECT count(*)::int AS reports, count(DISTINCT client)::int AS clients,
         percentile_cont(0.5) WITHIN GROUP (ORDER BY latency_p50_ms) AS p50,
         percentile_cont(0.5) WITHIN GROUP (ORDER BY latency_p95_ms) AS p95,
         coalesce(sum(reconnects), 0)::float8 AS reconnects, coalesce(sum(errors), 0)::float8 AS errors
       FROM (SELECT * FROM client_reports WHERE received_at > now() - make_interval(mins => ${QUALITY_MINUTES})
             ORDER BY received_at DESC LIMIT 5000) AS recent`,
    );
    if (!row) throw new Error("no row");
    const { reports, clients, p50, p95, reconnects, errors } = row;
    return {
      minutes: QUALITY_MINUTES,
      reports,
      clients,
      latencyP50Ms: p50,
      latencyP95Ms: p95,
      reconnects,
      errors,
    };
  }
}
