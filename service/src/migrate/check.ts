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

/** PostgreSQL's code for a table that does not exist. */
const UNDEFINED_TABLE = "42P01";

/** @throws MigrationError when an applied migration was changed, or the error of the database. */
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
    if (error instanceof Error && "code" in error && error.code === UNDEFINED_TABLE) return [];
    throw error;
  });
  return {
    applied: Math.max(0, ...applied.map(({ version }) => version)),
    known: known.at(-1)?.version ?? 0,
    pending: pendingOf(known, applied).map(labelOf),
  };
}

/** The database answered, and something is wrong in it. Everything else is reported by the check of the database. */
const isFinding = (error: unknown): boolean => error instanceof MigrationError;

/**
 * Passes when everything that this build knows is applied. Once it has passed, it only warns while the database cannot be
 * asked, so that a stack that calls its database optional stays ready without it.
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
