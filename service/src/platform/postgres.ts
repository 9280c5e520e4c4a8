/** Connections and queries to PostgreSQL, each with a deadline. */
import pg from "pg";
import type { PostgresConfig } from "./env/config.ts";
import { reasonOf, withDeadline } from "./deadline.ts";
import type { Logger } from "./logging.ts";
import { verifiedTls } from "./tls.ts";

/** Where and as whom to connect, and how: by TLS that is verified, or on a network of its own without. */
export const connectionOf = ({
  host,
  port,
  user,
  database,
  password,
  sslMode,
  authority,
}: PostgresConfig) => ({
  ...{ host, port, user, database, password },
  ssl: sslMode === "verify-full" ? verifiedTls(host, authority) : false,
});

/**
 * The pool, with a deadline on everything, because pg's own defaults wait for ever for a connection and for an answer.
 * A connection is opened when it is first needed, so the process starts without the database.
 */
export function createPool(config: PostgresConfig, applicationName: string, logger: Logger): pg.Pool {
  const pool = new pg.Pool({
    ...connectionOf(config),
    max: config.poolMax,
    application_name: applicationName.slice(0, 63),
    connectionTimeoutMillis: 2000,
    idleTimeoutMillis: 30_000,
    maxLifetimeSeconds: 1800,
    statement_timeout: 5000,
    query_timeout: 6000,
    idle_in_transaction_session_timeout: 10_000,
    keepAlive: true,
  });
  // Without a listener, the server would end this process by closing an idle connection.
  pool.on("error", (error) => logger.warn({ reason: reasonOf(error) }, "idle PostgreSQL connection lost"));
  return pool;
}

/**
 * Several queries as one transaction, with a deadline, in ms, that counts the wait for a connection too. A connection whose
 * transaction did not end is thrown away, which ends it.
 */
export function transactionWithin<T>(
  pool: Pick<pg.Pool, "connect">,
  ms: number,
  work: (client: pg.PoolClient) => Promise<T>,
): Promise<T> {
  const run = async (): Promise<T> => {
    const client = await pool.connect();
    let isOver = false;
    try {
      await client.query("BEGIN");
      const result = await work(client);
      await client.query("COMMIT");
      isOver = true;
      return result;
    } finally {
      client.release(!isOver);
    }
  };
  return withDeadline("PostgreSQL", ms, run());
}

/**
 * One query with a deadline, in ms, that counts the wait for a connection too. The pool throws a connection away that
 * missed it.
 */
export async function queryWithin<Row extends pg.QueryResultRow>(
  pool: Pick<pg.Pool, "query">,
  ms: number,
  text: string,
  values: unknown[] = [],
): Promise<Row[]> {
  // query_timeout of one query is documented by node-postgres; its types leave it out. It begins with the connection.
  const query: pg.QueryConfig & { query_timeout: number } = { text, values, query_timeout: ms };
  const { rows } = await withDeadline("PostgreSQL", ms, pool.query<Row>(query));
  return rows;
}
