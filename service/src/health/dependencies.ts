/** The checks of PostgreSQL, Redis and the event log. */
import type pg from "pg";
import type { EventsConfig, HealthConfig } from "../platform/env/config.ts";
import type { Position } from "../events/log/cursor.ts";
import type { EventLog } from "../events/log/log.ts";
import type { LogReader, ReaderStatus } from "../events/stream/reader.ts";
import { withDeadline } from "../platform/deadline.ts";
import { queryWithin } from "../platform/postgres.ts";
import { RedisUnavailableError, type RedisLink } from "../platform/redis.ts";
import { explainTls, isTlsRefusal, POSTGRES_AUTHORITY } from "../platform/tls.ts";
import type { Check } from "./checks.ts";

/** A full pool out of which nothing has come for so long, ms, is not busy but stuck: far above what a query may take. */
const STUCK_MS = 4000;

/**
 * A round trip through the pool. When all its connections are in use, that is load and not an outage: "warn", for as long
 * as queries come to an end.
 */
export function databaseCheck(
  pool: Pick<pg.Pool, "waitingCount" | "idleCount" | "totalCount" | "options" | "connect" | "on">,
  deadlineMs: number,
  now: () => number = () => performance.now(),
): Check {
  let succeededAt = now();
  // With an error, or as one that is to be thrown away, it comes back for another reason.
  pool.on("release", (error: Error | boolean | undefined) => {
    if (!error) succeededAt = now();
  });
  return {
    name: "database",
    measurement: "responseTime",
    componentType: "datastore",
    run: async () => {
      const isFull = pool.waitingCount > 0 && pool.idleCount === 0 && pool.totalCount >= pool.options.max;
      const silentMs = now() - succeededAt;
      if (isFull && silentMs > STUCK_MS)
        throw new Error(`all connections are in use, and none has answered for ${Math.round(silentMs)} ms`);
      if (isFull)
        return {
          status: "warn",
          value: pool.waitingCount,
          unit: "waiting",
          note: "all connections are in use",
        };
      await queryWithin(pool, deadlineMs, "SELECT 1").catch((error: unknown) => {
        if (!isTlsRefusal(error)) throw error;
        throw new Error(explainTls(error, POSTGRES_AUTHORITY), { cause: error });
      });
      return {};
    },
  };
}

/** PING on the shared connection: the reader's is blocked most of the time. */
export function redisCheck(link: RedisLink, deadlineMs: number): Check {
  return {
    name: "redis",
    measurement: "responseTime",
    componentType: "datastore",
    run: async () => {
      await link
        .run(deadlineMs, (client) => client.ping())
        .catch((error: unknown) => {
          // Without a connection, why there is none is what helps.
          if (!(error instanceof RedisUnavailableError) || link.trouble === "") throw error;
          throw new RedisUnavailableError(link.trouble);
        });
      return {};
    },
  };
}

/** From so much of its memory in use on, percent, an operator should look. */
const FULL_PERCENT = 90;

/** How full Redis is: when it is, it refuses sessions and events, and nothing here can make room for sessions. */
export function redisMemoryCheck(link: Pick<RedisLink, "run">, deadlineMs: number): Check {
  return {
    name: "redis",
    measurement: "memory",
    componentType: "datastore",
    run: async () => {
      const info = await link.run(deadlineMs, (client) => client.info("memory"));
      const [used, max] = [memberOf(info, "used_memory"), memberOf(info, "maxmemory")];
      const value = max > 0 ? Math.round((used / max) * 1000) / 10 : 0;
      if (value < FULL_PERCENT) return { value, unit: "percent" };
      const note =
        `Redis uses ${value} percent of the memory that it may use; when that is full, logins and events are refused. ` +
        "Raise redisMemory, or look for what fills it";
      return { status: "warn", value, unit: "percent", note };
    },
  };
}

const memberOf = (info: string, name: string): number =>
  Number(new RegExp(`^${name}:(\\d+)`, "m").exec(info)?.[1] ?? 0);

/** What the log takes of its budget. Full is how it stays: the oldest make room for the newest. */
export function sizeCheck(log: Pick<EventLog, "state">, { logBytes }: Pick<EventsConfig, "logBytes">): Check {
  return {
    name: "events",
    measurement: "size",
    componentType: "component",
    run: async () => {
      const state = await log.state().catch(() => undefined);
      // While it cannot be asked, the other checks say so.
      const value = state ? Math.round((state.bytes / logBytes) * 1000) / 10 : 0;
      return { value, unit: "percent" };
    },
  };
}

/** The reader follows the log: it is connected and was answered lately. */
export function eventsCheck(reader: LogReader, readBlockMs: number): Check {
  return {
    name: "events",
    measurement: "silence",
    componentType: "component",
    run: () => {
      const { state, silentMs } = reader.status;
      if (state !== "following") return Promise.reject(new Error(`the event reader is ${state}`));
      if (silentMs > 2 * readBlockMs + 2000) return Promise.reject(new Error("the event reader is stuck"));
      return Promise.resolve({ value: Math.round(silentMs), unit: "ms" });
    },
  };
}

/**
 * Entries of the log that this replica has not handed to its clients yet. A reader that is connected and answered can still
 * fall behind, and its clients with it. While the log cannot be asked, the other checks say so.
 */
export function lagCheck(
  reader: { readonly status: Pick<ReaderStatus, "count"> },
  hub: { readonly position: Pick<Position, "epoch"> | undefined },
  log: Pick<EventLog, "state">,
  { maxLagEntries, deadlineMs }: Pick<HealthConfig, "maxLagEntries" | "deadlineMs">,
): Check {
  return {
    name: "events",
    measurement: "lag",
    componentType: "component",
    run: async () => {
      const asked = withDeadline("the event log", deadlineMs * 0.8, log.state());
      const state = await asked.catch(() => undefined);
      // Of another epoch the reader counts anew: it is about to notice, or the check of its silence does.
      const isSame = state !== undefined && hub.position?.epoch === state.epoch;
      const behind = isSame ? Math.max(0, state.count - reader.status.count) : 0;
      const note = `the event reader is ${behind} entries behind`;
      return behind > maxLagEntries
        ? { status: "fail", value: behind, unit: "entries", note }
        : { value: behind, unit: "entries" };
    },
  };
}
