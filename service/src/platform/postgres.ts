/** Connections and queries to PostgreSQL, each with a deadline. */
import pg from "pg";
import type { PostgresConfig } from "./env/config.ts";
import { reasonOf, withDeadline } from "./deadline.ts";
import type { Logger } from "./logging.ts";
import { NamingClient } from "./named-statements.ts";
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
    Client: NamingClient,
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
  // Without listeners, a connection that is lost would end this process: one that lies idle in the pool,
  // and one that is in use. Whoever uses that one is told by its query, the next one at the latest.
  pool.on("error", (error) => logger.warn({ reason: reasonOf(error) }, "idle PostgreSQL connection lost"));
  pool.on("connect", (client) => client.on("error", () => undefined));
  return pool;
}

/**
 * The longest that a request waits for PostgreSQL, in ms, for a connection and all answers together: it is told 503 within
 * 2 s, also where Redis was asked for a limit first and the machine is busy.
 */
export const ANSWER_MS = 1200;

/** The longest that one step of a cleanup may take, in ms: nobody waits for it. */
export const CLEANUP_MS = 4000;

type Connections = Pick<pg.Pool, "connect">;

/**
 * Several queries as one transaction, with a deadline, in ms, that counts the wait for a connection too. When it is missed
 * the transaction is undone, also where PostgreSQL goes on with it later, and `work` can ask nothing more. Only what had
 * been told to commit by then may be committed all the same, as with every answer that is lost.
 */
export function transactionWithin<T>(
  pool: Connections,
  ms: number,
  work: (client: pg.PoolClient) => Promise<T>,
): Promise<T> {
  return withConnection(pool, ms, async (client) => {
    await client.query("BEGIN");
    const result = await work(client);
    await client.query("COMMIT");
    return result;
  });
}

/**
 * One query with a deadline, in ms, that counts the wait for a connection too. When it is missed before there is a
 * connection the query is never sent. What was sent cannot be taken back: a write that must not happen after its caller
 * has heard that it failed is a transaction.
 */
export function queryWithin<Row extends pg.QueryResultRow>(
  pool: Connections,
  ms: number,
  text: string,
  values: unknown[] = [],
): Promise<Row[]> {
  return withConnection(pool, ms, async (client) => (await client.query<Row>(text, values)).rows);
}

/**
 * A connection that failed, or that is late, is closed at once: that ends its transaction, frees its place in the pool, and
 * refuses whatever is asked on it later. One that comes too late goes back unused.
 */
async function withConnection<T>(
  pool: Connections,
  ms: number,
  work: (client: pg.PoolClient) => Promise<T>,
): Promise<T> {
  let isLate = false;
  let close = (): void => undefined;
  const run = async (): Promise<T> => {
    const client = await pool.connect();
    if (isLate) {
      client.release();
      throw new Error("nobody waits for this connection any longer");
    }
    let isBack = false;
    const giveBack = (isBroken: boolean): void => {
      if (!isBack) client.release(isBroken);
      isBack = true;
    };
    close = () => giveBack(true);
    try {
      const result = await work(client);
      giveBack(false);
      return result;
    } finally {
      giveBack(true);
    }
  };
  try {
    return await withDeadline("PostgreSQL", Math.max(1, ms), run());
  } catch (error) {
    isLate = true;
    close();
    throw error;
  }
}
