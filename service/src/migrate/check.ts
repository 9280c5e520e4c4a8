/** Which migrations are applied, as a health check. */
import type pg from "pg";
import type { Check } from "../health/checks.ts";
import { queryWithin } from "../platform/postgres.ts";
import { labelOf, MigrationError, pendingOf, type Applied, type Migration } from "./files.ts";

export interface MigrationState {
  /** The newest version applied; 0 before the first. */
  readonly applied: number;
  /** The newest version that this build knows. */
  readonly known: number;
  /** Labels of what is missing. */
  readonly pending: readonly string[];
}

/** Every table that is not there yet says so with this. */
const undefinedTable = "42P01";

/** @throws MigrationError when an applied one was changed, or what the database says. */
export async function migrationState(
  pool: pg.Pool,
  known: readonly Migration[],
  deadlineMs: number,
): Promise<MigrationState> {
  const applied = await queryWithin<Applied & pg.QueryResultRow>(
    pool,
    deadlineMs,
    "SELECT version, checksum FROM schema_migrations",
  ).catch((error: unknown) => {
    if (error instanceof Error && "code" in error && error.code === undefinedTable) return [];
    throw error;
  });
  return {
    applied: Math.max(0, ...applied.map(({ version }) => version)),
    known: known.at(-1)?.version ?? 0,
    pending: pendingOf(known, applied).map(labelOf),
  };
}

/** The database answered, and something is wrong in it; everything else is the database check's to say. */
const isFinding = (error: unknown): boolean => error instanceof MigrationError;

/**
 * Everything that this build knows is applied. Once it was, a database that cannot be asked is no reason to doubt it:
 * then the check only warns, so that a stack that calls its database optional stays ready without it.
 */
export function migrationsCheck(pool: pg.Pool, known: readonly Migration[], deadlineMs: number): Check {
  let hasPassed = false;
  return {
    name: "migrations",
    measurement: "pending",
    componentType: "datastore",
    run: async () => {
      let state: MigrationState;
      try {
        state = await migrationState(pool, known, deadlineMs * 0.9);
      } catch (error) {
        if (!hasPassed || isFinding(error)) throw error;
        return { status: "warn", value: 0, unit: "migrations", note: "complete when last asked" };
      }
      const { pending } = state;
      hasPassed = pending.length === 0;
      if (!hasPassed) throw new Error(`not applied: ${pending.slice(0, 5).join(", ")}; run the migrations`);
      return { value: 0, unit: "migrations" };
    },
  };
}
