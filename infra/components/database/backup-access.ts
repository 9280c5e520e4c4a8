/** Who may come in to the server over the network, and the role of a backup room. */
import { identifier, literal, type Provision } from "./provision.ts";

/**
 * Who may come in, as pg_hba.conf. The image's own file lets nobody in for replication over the network. It also lies
 * among the data, so a restore could bring one that lets nobody in at all. Whoever is inside of the container is let in by
 * the socket, as there; all others need a password.
 */
export const renderAccess = (backupRole: string): string => `local all all trust
host replication ${identifier(backupRole)} all scram-sha-256
host replication all all reject
host all all all scram-sha-256
`;

/**
 * Renders a psql script: the backup room's role, which may read everything, also the verifiers of the roles, and copy the
 * server by replication. That one right includes all others, so the others open nothing more.
 */
export function renderBackupRole({ role, database, verifier }: Provision): string {
  return `\\connect postgres
SELECT 'CREATE ROLE ${identifier(role)}' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = ${literal(role)}) \\gexec
ALTER ROLE ${identifier(role)} WITH LOGIN REPLICATION BYPASSRLS NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD ${literal(verifier)};
GRANT pg_read_all_data, pg_read_all_settings, pg_read_all_stats, pg_checkpoint TO ${identifier(role)};
GRANT SELECT ON pg_catalog.pg_authid TO ${identifier(role)};
GRANT EXECUTE ON FUNCTION pg_switch_wal(), pg_create_restore_point(text) TO ${identifier(role)};
GRANT CONNECT ON DATABASE ${identifier(database)} TO ${identifier(role)};
`;
}

/**
 * Pure: settings of a server whose log a backup room receives. It remembers which blocks have changed, for incremental
 * backups, and keeps `walKeep` MiB for a receiver that is away: what is more would fill the disk, so the room loses its
 * place then, says so, and begins anew.
 */
export const planBackupSettings = (walKeep: number): Readonly<Record<string, string>> => ({
  summarize_wal: "on",
  max_slot_wal_keep_size: `${walKeep}MB`,
});

/** The name by which PostgreSQL knows the room's receiver. */
export const RECEIVER = "omniai-backup-receiver";

/**
 * Renders a psql script: whether a commit waits until the backup room has it on its disk. It is no flag of the server's
 * command line, so that it can be changed while commits wait, without a restart: those that wait go through at once.
 */
export const renderSynchronous = (on: boolean): string =>
  `${on ? `ALTER SYSTEM SET synchronous_standby_names = 'FIRST 1 (${identifier(RECEIVER)})'` : "ALTER SYSTEM RESET synchronous_standby_names"};
SELECT pg_reload_conf();
`;

/** Renders a psql script for a stack without a backup room: what one has left behind would fill the server's disk. */
export function renderNoBackup(role: string): string {
  return `SELECT 'ALTER ROLE ${identifier(role)} NOLOGIN' WHERE EXISTS (SELECT FROM pg_roles WHERE rolname = ${literal(role)} AND rolcanlogin) \\gexec
SELECT pg_terminate_backend(active_pid, 5000) FROM pg_replication_slots WHERE slot_name LIKE 'omniai_backup%' AND active_pid IS NOT NULL;
SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name LIKE 'omniai_backup%';
`;
}
