/** Servers that others run (omniai:database, omniai:redis): which they are, and what follows for commands. Without Pulumi's SDK. */
import { hasBackups } from "../../infra/components/backup/config.ts";
import type { DATA_WORKLOADS } from "../../infra/resources/volume.ts";
import { exit, OpsError } from "../terminal/errors.ts";
import type { KnownConfig } from "./settings.ts";

export type DataWorkload = (typeof DATA_WORKLOADS)[number];

/** A server of a stack that may be one of others. */
export interface ExternalServer {
  readonly workload: "postgres" | "redis";
  readonly title: "PostgreSQL" | "Redis";
  readonly key: "database" | "redis";
}

const SERVERS: readonly ExternalServer[] = [
  { workload: "postgres", title: "PostgreSQL", key: "database" },
  { workload: "redis", title: "Redis", key: "redis" },
];

/** Pure: those that others run. */
export const externalServers = (config: KnownConfig): ExternalServer[] =>
  SERVERS.filter(({ key }) => config[key] === "external");

/** Pure: whether a PostgreSQL that others run is dumped all the same, for the copies off-site. */
export const takesDumps = ({ database, backups = "auto", offsiteBucket }: KnownConfig): boolean =>
  // Its name and environment say nothing of a stack whose PostgreSQL others run.
  database === "external" && hasBackups("", { backups, environment: "", database, offsiteBucket });

/** Pure: the workloads that the stack keeps no data of its own for. Without a PostgreSQL to back up there are no backups. */
export const externalData = (config: KnownConfig): DataWorkload[] =>
  externalServers(config).flatMap(({ workload }): DataWorkload[] => {
    if (workload === "redis") return ["redis"];
    return takesDumps(config) ? ["postgres"] : ["postgres", "backup"];
  });

/** A line for each, for people: what the stack and its commands know of it, and what not. */
export const describeExternal = (config: KnownConfig): string[] =>
  externalServers(config).map(
    ({ title, key }) =>
      `${title} is external (omniai:${key}): its backups, upgrades and load are its provider's, and are not seen from here.` +
      (key === "database" && takesDumps(config)
        ? " A dump of it is taken here each day; what was written since the newest one is with its provider alone."
        : ""),
  );

/** @throws OpsError where others run PostgreSQL and no dumps are taken of it. @param what the command does */
export function refuseWithoutDumps(stack: string, config: KnownConfig, what: string): void {
  if (!takesDumps(config)) refuseExternal(stack, config, { what });
}

/** @throws OpsError for what would put a dump in place of a PostgreSQL that others run */
export function refuseReplacing(stack: string, config: KnownConfig): void {
  if (config.database !== "external") return;
  throw new OpsError(
    `PostgreSQL of stack ${stack} is external (omniai:database): its data is its provider's to replace. Nothing was done.`,
    "Its provider's own restore brings it to a moment. A dump from here is loaded by hand into an empty database: " +
      'docs/external-databases.md, "Loading a dump".',
    exit.usage,
  );
}

/** @throws OpsError for a command that works on a PostgreSQL of the stack's own, where others run it */
export function refuseExternal(
  stack: string,
  config: KnownConfig,
  { what, key = "database" }: { readonly what: string; readonly key?: ExternalServer["key"] },
): void {
  const server = externalServers(config).find((one) => one.key === key);
  if (server === undefined) return;
  throw new OpsError(
    `${server.title} of stack ${stack} is external (omniai:${key}), so ${what} is its provider's. Nothing was done.`,
    "Use the provider's own tools; docs/external-databases.md says what to ask of them.",
    exit.usage,
  );
}
