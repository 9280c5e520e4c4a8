import type pg from "pg";
import type { LogReader } from "../events/reader.ts";
import { queryWithin } from "../platform/postgres.ts";
import type { RedisLink } from "../platform/redis.ts";
import type { Check } from "./checks.ts";

/** A round trip through the pool. When all its connections are in use, that is load and not an outage: "warn". */
export function databaseCheck(pool: pg.Pool, deadlineMs: number): Check {
  return {
    name: "database",
    measurement: "responseTime",
    componentType: "datastore",
    run: async () => {
      const isFull = pool.waitingCount > 0 && pool.idleCount === 0 && pool.totalCount >= pool.options.max;
      if (isFull)
        return {
          status: "warn",
          value: pool.waitingCount,
          unit: "waiting",
          note: "all connections are in use",
        };
      await queryWithin(pool, deadlineMs, "SELECT 1");
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
      await link.run(deadlineMs, (client) => client.ping());
      return {};
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
