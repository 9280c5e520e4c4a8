/** What PostgreSQL says of itself, as metrics: read when they are scraped, and by all that wait at once together. */
import type pg from "pg";
import { Gauge, type Registry } from "prom-client";
import { queryWithin } from "./postgres.ts";
import { remembered } from "./remembered.ts";

/** A scrape has five seconds; without an answer these values are missing, and the check of the database says why. */
const DEADLINE_MS = 2000;
/** So long an answer counts as fresh, ms. */
const FRESH_MS = 5000;

const SERVER = `
  SELECT count(*) FILTER (WHERE backend_type = 'client backend')::float8 AS connections,
    current_setting('max_connections')::float8 AS connections_max,
    coalesce(max(extract(epoch FROM clock_timestamp() - xact_start))
      FILTER (WHERE backend_type = 'client backend'), 0)::float8 AS oldest_transaction_seconds,
    pg_database_size(current_database())::float8 AS database_bytes,
    (SELECT nullif(setting::float8, -1) * 1048576 FROM pg_settings WHERE name = 'max_slot_wal_keep_size')
      AS slot_retained_bytes_max
  FROM pg_stat_activity`;

const SLOTS = `
  SELECT slot_name AS slot, active::int::float8 AS active, (wal_status = 'lost')::int::float8 AS lost,
    coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn), 0)::float8 AS retained_bytes
  FROM pg_replication_slots`;

const SERVER_NAMES = [
  "connections",
  "connections_max",
  "oldest_transaction_seconds",
  "database_bytes",
  "slot_retained_bytes_max",
] as const;

/** null: the server has no such limit. */
type Server = Record<(typeof SERVER_NAMES)[number], number | null>;
type Slot = Record<"active" | "lost" | "retained_bytes", number> & { slot: string };

interface Numbers {
  readonly server?: Server;
  readonly slots: readonly Slot[];
}

const help: Readonly<Record<keyof Server | `slot_${Exclude<keyof Slot, "slot">}`, string>> = {
  connections: "Connections of clients to the server, of all databases.",
  connections_max: "Most connections that the server takes.",
  oldest_transaction_seconds: "For how long the oldest transaction of a client has been open.",
  database_bytes: "The size of the service's database.",
  slot_retained_bytes_max: "Most log that the server keeps for a slot; missing where it keeps all.",
  slot_active: "1 while somebody reads the replication slot.",
  slot_lost: "1 where the server has let go of log that the slot had not read.",
  slot_retained_bytes: "The log that the server keeps for the slot.",
};

/** Registers them: `omniai_postgres_…`, of slots with the label `slot`. */
export function watchPostgres(pool: Pick<pg.Pool, "connect">, registers: Registry[]): void {
  const numbers = remembered(async (): Promise<Numbers> => {
    const [server, slots] = await Promise.all([
      queryWithin<Server>(pool, DEADLINE_MS, SERVER).catch(() => []),
      queryWithin<Slot>(pool, DEADLINE_MS, SLOTS).catch(() => []),
    ]);
    return { server: server[0], slots };
  }, FRESH_MS);
  const gauge = (
    name: keyof typeof help,
    labelNames: "slot"[],
    set: (gauge: Gauge<"slot">, numbers: Numbers) => void,
  ): void => {
    new Gauge({
      name: `omniai_postgres_${name}`,
      help: help[name],
      labelNames,
      registers,
      async collect() {
        // What is not known, or is gone, is not there: an old value would look like a new one.
        this.reset();
        set(this, await numbers());
      },
    });
  };
  for (const name of SERVER_NAMES)
    gauge(name, [], (one, { server }) => {
      const value = server?.[name] ?? undefined;
      if (value === undefined) one.remove();
      else one.set(value);
    });
  for (const name of ["active", "lost", "retained_bytes"] as const)
    gauge(`slot_${name}`, ["slot"], (one, { slots }) => {
      for (const slot of slots) one.set({ slot: slot.slot }, slot[name]);
    });
}
