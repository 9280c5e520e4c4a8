/** What PostgreSQL and Redis say about themselves. */
import type pg from "pg";
import { migrationState, type MigrationState } from "../migrate/check.ts";
import type { Migration } from "../migrate/files.ts";
import { queryWithin } from "../platform/postgres.ts";
import type { RedisLink } from "../platform/redis.ts";

/** How long a part of the answer may take, and how long it is kept, in ms: anybody may ask, at any rate. */
const DEADLINE_MS = 800;
export const KEEP_MS = 2000;

export interface DatabaseDiag {
  readonly status: "pass" | "fail";
  readonly version?: string;
  readonly latencyMs?: number;
  readonly pool: {
    readonly total: number;
    readonly idle: number;
    readonly waiting: number;
    readonly max: number;
  };
  /** Whether pg_stat_statements can be queried. */
  readonly statStatements?: boolean;
  readonly migrations?: Omit<MigrationState, "pending"> & { readonly pending: string[] };
}

export interface RedisDiag {
  /** absent: this service runs without Redis (`npm run dev`). */
  readonly status: "pass" | "fail" | "absent";
  readonly version?: string;
  readonly latencyMs?: number;
  readonly persistence?: {
    readonly appendOnly: boolean;
    readonly lastWriteOk: boolean;
    readonly loading: boolean;
  };
}

const roundedSince = (start: number): number => Math.round((performance.now() - start) * 100) / 100;

export async function databaseDiag(pool: pg.Pool, migrations: readonly Migration[]): Promise<DatabaseDiag> {
  const counts = (): DatabaseDiag["pool"] => ({
    total: pool.totalCount,
    idle: pool.idleCount,
    waiting: pool.waitingCount,
    max: pool.options.max,
  });
  const ask = <Row extends pg.QueryResultRow>(text: string): Promise<Row[]> =>
    queryWithin<Row>(pool, DEADLINE_MS, text);
  try {
    const started = performance.now();
    const [row] = await ask<{ version: string }>("SELECT current_setting('server_version') AS version");
    const latencyMs = roundedSince(started);
    const [statStatements, state] = await Promise.all([
      ask("SELECT 1 FROM pg_stat_statements LIMIT 1").then(
        () => true,
        () => false,
      ),
      migrationState(pool, migrations, DEADLINE_MS).catch(() => undefined),
    ]);
    return {
      status: "pass",
      // "17.6 (Debian 17.6-1)": the packager's part is not shown.
      version: row?.version.split(" ")[0],
      latencyMs,
      pool: counts(),
      statStatements,
      migrations: state && { ...state, pending: [...state.pending] },
    };
  } catch {
    return { status: "fail", pool: counts() };
  }
}

export async function redisDiag(link: RedisLink | undefined): Promise<RedisDiag> {
  if (!link) return { status: "absent" };
  try {
    const started = performance.now();
    await link.run(DEADLINE_MS, (client) => client.ping());
    const latencyMs = roundedSince(started);
    const info = parseInfo(await link.run(DEADLINE_MS, (client) => client.info()));
    return {
      status: "pass",
      version: info.get("redis_version"),
      latencyMs,
      persistence: {
        appendOnly: info.get("aof_enabled") === "1",
        lastWriteOk: info.get("aof_last_write_status") === "ok",
        loading: info.get("loading") === "1",
      },
    };
  } catch {
    return { status: "fail" };
  }
}

export interface RedisDetails {
  readonly memory?: {
    readonly usedBytes: number;
    readonly peakBytes: number;
    readonly maxBytes: number;
    readonly policy: string;
  };
  readonly storage?: {
    readonly appendOnlyBytes: number | undefined;
    readonly lastRewriteOk: boolean;
    readonly lastSnapshotOk: boolean;
    readonly lastSnapshot: string | undefined;
  };
}

/** Shown to authorised users only. */
export async function redisDetails(link: RedisLink | undefined): Promise<RedisDetails> {
  if (!link) return {};
  try {
    const info = parseInfo(await link.run(DEADLINE_MS, (client) => client.info()));
    const number = (key: string): number => Number(info.get(key) ?? 0);
    const savedAt = number("rdb_last_save_time");
    return {
      memory: {
        usedBytes: number("used_memory"),
        peakBytes: number("used_memory_peak"),
        maxBytes: number("maxmemory"),
        policy: info.get("maxmemory_policy") ?? "unknown",
      },
      storage: {
        appendOnlyBytes: info.has("aof_current_size") ? number("aof_current_size") : undefined,
        lastRewriteOk: info.get("aof_last_bgrewrite_status") === "ok",
        lastSnapshotOk: info.get("rdb_last_bgsave_status") === "ok",
        lastSnapshot: savedAt > 0 ? new Date(savedAt * 1000).toISOString() : undefined,
      },
    };
  } catch {
    return {};
  }
}

/** The `key:value` lines of INFO. */
export function parseInfo(text: string): Map<string, string> {
  const values = new Map<string, string>();
  for (const line of text.split(/\r?\n/)) {
    const colon = line.indexOf(":");
    if (colon > 0 && !line.startsWith("#")) values.set(line.slice(0, colon), line.slice(colon + 1));
  }
  return values;
}
