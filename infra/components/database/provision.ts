/** The SQL that gives a server what the service needs. It can be run any number of times. */

/** The service's role and database. */
export interface Provision {
  readonly role: string;
  readonly database: string;
  /** A SCRAM-SHA-256 verifier, see scram.ts. */
  readonly verifier: string;
}

/** Quotes an identifier as the SQL standard has it. */
export const identifier = (name: string): string => `"${name.replaceAll('"', '""')}"`;
export const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`;

/**
 * Renders a psql script: the role with its password, its database, pg_stat_statements in it, and the right to read the
 * statistics. Every statement can be repeated, so a new password or a restored volume needs nothing else.
 */
export function renderProvision({ role, database, verifier }: Provision): string {
  return `\\set ON_ERROR_STOP on
SELECT 'CREATE ROLE ${identifier(role)}' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = ${literal(role)}) \\gexec
ALTER ROLE ${identifier(role)} WITH LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION PASSWORD ${literal(verifier)};
GRANT pg_read_all_stats TO ${identifier(role)};
SELECT 'CREATE DATABASE ${identifier(database)} OWNER ${identifier(role)}' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = ${literal(database)}) \\gexec
REVOKE ALL ON DATABASE ${identifier(database)} FROM PUBLIC;
\\connect ${identifier(database)}
CREATE EXTENSION IF NOT EXISTS pg_stat_statements;
`;
}
