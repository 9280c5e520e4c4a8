/** Data to measure with, made by pgbench in a server's own container. */
import { docker } from "../../test/support/backup-room/engine.ts";

/** pgbench has about 15 MiB for each of its units. */
const UNITS_PER_GB = 67;
export const ROWS_PER_UNIT = 100_000;

export const unitsOf = (gigabytes: number): number => Math.max(1, Math.round(gigabytes * UNITS_PER_GB));

/** @param server its container */
export const fillWithPgbench = (server: string, gigabytes: number): Promise<string> =>
  docker("exec", server, "pgbench", "-q", "-i", "-s", String(unitsOf(gigabytes)), "-U", "postgres", "omniai");
