/** Servers that others run (omniai:database, omniai:redis): which they are, and what follows for commands. Without Pulumi's SDK. */
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

/** Pure: the workloads that the stack keeps no data of its own for. Backups are of the stack's own PostgreSQL. */
export const externalData = (config: KnownConfig): DataWorkload[] =>
  externalServers(config).flatMap(({ workload }): DataWorkload[] =>
    workload === "postgres" ? ["postgres", "backup"] : ["redis"],
  );

/** A line for each, for people: what the stack and its commands know of it, and what not. */
export const describeExternal = (config: KnownConfig): string[] =>
  externalServers(config).map(
    ({ title, key }) =>
      `${title} is external (omniai:${key}): its backups, upgrades and load are its provider's, and are not seen from here.`,
  );

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
