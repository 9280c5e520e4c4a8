/** The size of the database, and its most expensive statements. */
import type pg from "pg";
import { queryWithin } from "../platform/postgres.ts";

export interface Statement {
  readonly query: string;
  readonly calls: number;
  readonly totalMs: number;
  readonly meanMs: number;
  readonly rows: number;
}

/** Shown to authorised users only, and expensive to find out. */
export interface DatabaseDetails {
  readonly sizeBytes?: number;
  readonly topStatements?: readonly Statement[];
}

/**
 * Only statements that read or write data, of the service's own role. In these, constants are replaced by $1. In utility
 * statements they are kept, and `ALTER ROLE … PASSWORD` is one. The text is that of the first request that had it, so the
 * request's name before it is left out.
 */
const TOP_STATEMENTS = `
  SELECT left(regexp_replace(text, '\\s+', ' ', 'g'), 300) AS query, calls::float8 AS calls,
    round(total_exec_time::numeric, 2)::float8 AS "totalMs", round(mean_exec_time::numeric, 3)::float8 AS "meanMs",
    rows::float8 AS rows
  FROM pg_stat_statements, regexp_replace(query, '^/\\*request_id=[^*]*\\*/', '') AS text
  WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND userid = (SELECT oid FROM pg_roles WHERE rolname = current_user)
    AND text ~* '^\\s*(select|insert|update|delete|merge|with)\\y'
  ORDER BY total_exec_time DESC LIMIT 10`;

export async function databaseDetails(pool: pg.Pool, deadlineMs: number): Promise<DatabaseDetails> {
  const ask = <Row extends pg.QueryResultRow>(text: string): Promise<Row[] | undefined> =>
    queryWithin<Row>(pool, deadlineMs, text).catch(() => undefined);
  const [size, statements] = await Promise.all([
    ask<{ bytes: number }>("SELECT pg_database_size(current_database())::float8 AS bytes"),
    ask<Statement & pg.QueryResultRow>(TOP_STATEMENTS),
  ]);
  return { sizeBytes: size?.[0]?.bytes, topStatements: statements };
}
