/** Applies migrations while old replicas serve. */
import pg from "pg";
import type { PostgresConfig } from "../platform/env/config.ts";
import { between, pause, reasonOf } from "../platform/deadline.ts";
import type { Logger } from "../platform/logging.ts";
import { connectionOf } from "../platform/postgres.ts";
import { explainTls, isTlsRefusal, POSTGRES_AUTHORITY } from "../platform/tls.ts";
import { labelOf, MigrationError, pendingOf, type Applied, type Migration } from "./files.ts";

export interface MigrateLimits {
  /** How long to wait for the server, or for another runner, ms. */
  readonly waitMs: number;
  /** The longest that a statement may wait for a lock, in ms: meanwhile the queries of old replicas queue behind it. */
  readonly lockMs: number;
  /** The longest that one statement may run, in ms: it may hold a lock that old replicas need. */
  readonly statementMs: number;
  /** The longest that one migration may run in all, in ms; PostgreSQL 17 and newer enforce it. */
  readonly transactionMs: number;
  /** How many times a migration that got no lock is tried again. */
  readonly lockRetries: number;
}

export const migrateLimits: MigrateLimits = {
  waitMs: 60_000,
  lockMs: 1000,
  statementMs: 5000,
  transactionMs: 10_000,
  lockRetries: 10,
};

/** A number that nothing else here uses for an advisory lock ("omniai" in ASCII). */
const ADVISORY_LOCK = 0x6f6d_6e69_6169n.toString();

const LOCK_NOT_AVAILABLE = "55P03";

/**
 * Applies what is missing. Each migration runs in its own transaction together with its record, so it is applied as a
 * whole or not at all. Only one runner works at a time: the lock belongs to the transaction, so a runner that dies leaves
 * none behind, and each runner reads what is missing after it has the lock.
 *
 * @returns the labels of the applied migrations. @throws MigrationError that says what to do; the database is as it was
 * before the migration that failed.
 */
export async function migrate(
  config: PostgresConfig,
  migrations: readonly Migration[],
  logger: Logger,
  limits: MigrateLimits = migrateLimits,
): Promise<readonly string[]> {
  const client = await connect(config, logger, limits.waitMs);
  try {
    const applied: string[] = [];
    for (;;) {
      const label = await withRetries(client, logger, limits, () => applyNext(client, migrations, limits));
      if (label === undefined) return applied;
      logger.info({ migration: label }, "migration applied");
      applied.push(label);
    }
  } finally {
    // A server that is away does not answer the farewell either.
    await Promise.race([client.end().catch(() => undefined), pause(500)]);
  }
}

async function connect(config: PostgresConfig, logger: Logger, waitMs: number): Promise<pg.Client> {
  const end = performance.now() + waitMs;
  for (;;) {
    const client = new pg.Client({
      ...connectionOf(config),
      application_name: "omniai-migrate",
      connectionTimeoutMillis: 5000,
      // Longer than every limit that the server enforces itself: for a server that falls silent.
      query_timeout: waitMs + 15_000,
      keepAlive: true,
    });
    client.on("error", (error) => logger.warn({ reason: reasonOf(error) }, "PostgreSQL connection lost"));
    try {
      await client.connect();
      return client;
    } catch (error) {
      await client.end().catch(() => undefined);
      const code = codeOf(error);
      // 28: the password is wrong; 3D: there is no such database; or the certificate is refused. Waiting does not help then.
      const isFinal = (code !== undefined && /^(28|3D)/.test(code)) || isTlsRefusal(error);
      if (isFinal || performance.now() > end) {
        const where = `${config.user}@${config.host}:${config.port}/${config.database}`;
        const reason = explainTls(error, POSTGRES_AUTHORITY);
        throw new MigrationError(`no connection to PostgreSQL as ${where}: ${reason}`, { cause: error });
      }
      logger.info({ reason: reasonOf(error) }, "waiting for PostgreSQL");
      await pause(between(1000, 2000));
    }
  }
}

/** A lock that did not come in time is no error yet: its holder may be done in a moment. */
async function withRetries(
  client: pg.Client,
  logger: Logger,
  limits: MigrateLimits,
  attempt: () => Promise<string | undefined>,
): Promise<string | undefined> {
  for (let retries = 0; ; retries++) {
    try {
      return await attempt();
    } catch (error) {
      await client.query("ROLLBACK").catch(() => undefined);
      if (codeOf(error) !== LOCK_NOT_AVAILABLE || retries >= limits.lockRetries) throw error;
      logger.warn({ retries }, "no lock in time, giving way to the queries that wait");
      await pause(between(0.5, 1.5) * limits.lockMs);
    }
  }
}

/** @returns the label of the applied migration; undefined when nothing is missing. */
async function applyNext(
  client: pg.Client,
  migrations: readonly Migration[],
  limits: MigrateLimits,
): Promise<string | undefined> {
  await client.query("BEGIN");
  await client.query(`SET LOCAL lock_timeout = ${limits.waitMs}; SET LOCAL statement_timeout = 0`);
  try {
    await client.query(`SELECT pg_advisory_xact_lock(${ADVISORY_LOCK})`);
  } catch (error) {
    if (codeOf(error) !== LOCK_NOT_AVAILABLE) throw error;
    throw new MigrationError(`another runner is still migrating after ${limits.waitMs} ms`, { cause: error });
  }
  await client.query(
    `SET LOCAL lock_timeout = ${limits.lockMs};
     SET LOCAL statement_timeout = ${limits.statementMs};
     SELECT set_config(name, '${limits.transactionMs}', true) FROM pg_settings WHERE name = 'transaction_timeout'`,
  );
  const [next] = pendingOf(migrations, await readApplied(client));
  if (!next) {
    await client.query("ROLLBACK");
    return undefined;
  }
  await createTable(client);
  const started = performance.now();
  try {
    const before = await transactionOf(client);
    await client.query(next.sql);
    if ((await transactionOf(client)) !== before) {
      throw new MigrationError(
        "it ended its transaction, so parts of it may be applied; repair the database by hand",
      );
    }
    await client.query(
      "INSERT INTO schema_migrations (version, name, checksum, duration_ms) VALUES ($1, $2, $3, $4)",
      [next.version, next.name, next.checksum, Math.round(performance.now() - started)],
    );
    await client.query("COMMIT");
  } catch (error) {
    if (codeOf(error) === LOCK_NOT_AVAILABLE) throw error;
    throw new MigrationError(`migration ${labelOf(next)} failed: ${describe(error)}`, { cause: error });
  }
  return labelOf(next);
}

/** Looks for the table first, so that a runner with nothing to do writes nothing, not even a notice. */
async function readApplied(client: pg.Client): Promise<readonly Applied[]> {
  const { rows } = await client.query<{ name: string | null }>(
    "SELECT to_regclass('schema_migrations') AS name",
  );
  if (!rows[0]?.name) return [];
  return (await client.query<Applied>("SELECT version, checksum FROM schema_migrations ORDER BY version"))
    .rows;
}

async function createTable(client: pg.Client): Promise<void> {
  await client.query(`
    CREATE TABLE IF NOT EXISTS schema_migrations (
      version integer PRIMARY KEY,
      name text NOT NULL,
      checksum text NOT NULL,
      applied_at timestamptz NOT NULL DEFAULT now(),
      duration_ms integer NOT NULL
    )`);
}

async function transactionOf(client: pg.Client): Promise<string> {
  const { rows } = await client.query<{ id: string }>("SELECT pg_current_xact_id()::text AS id");
  return rows[0]?.id ?? "";
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}

/** PostgreSQL's message, with the place in the file when it names one. */
function describe(error: unknown): string {
  const position = error instanceof pg.DatabaseError ? error.position : undefined;
  const code = codeOf(error);
  return [
    reasonOf(error),
    ...(code ? [`(SQLSTATE ${code})`] : []),
    ...(position ? [`at character ${position}`] : []),
  ].join(" ");
}
