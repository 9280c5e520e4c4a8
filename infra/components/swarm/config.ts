/** The config keys of a stack on several machines: what each may be, and what such a stack does without. */
import { z } from "zod";
import { flag, type ConfigProblem, type Values } from "../../config/keys.ts";
import { isHost } from "../../config/mirror.ts";
import { publishesPorts } from "../../config/public-access.ts";
import type { Swarm } from "../../resources/engine.ts";
import type { BackendConfig } from "../backend/config.ts";
import type { BackupConfig } from "../backup/config.ts";
import type { CacheConfig } from "../cache/config.ts";
import type { DatabaseConfig } from "../database/config.ts";
import type { EdgeConfig } from "../edge/config.ts";
import type { HostConfig } from "../host/config.ts";
import type { MonitoringConfig } from "../monitoring/config.ts";

export const swarmKeys = {
  platform: z.enum(["docker", "swarm"]).describe("docker or swarm"),
  registry: z
    .string()
    .regex(/^$|^[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:\d+)?(\/[a-z0-9][a-z0-9._-]*)*$/)
    .refine((registry) => registry === "" || isHost(registry.split("/")[0] ?? ""))
    .describe(
      "empty, or a registry that every node reaches, by its host and where it has one its path, for example registry.example.org:5000/team",
    ),
  overlayEncrypted: flag,
};

export type SwarmConfig = Values<typeof swarmKeys>;

/** The keys of other rooms that a swarm says something about. */
type Beside = Pick<DatabaseConfig, "database"> &
  Pick<CacheConfig, "redis"> &
  Pick<MonitoringConfig, "monitoring"> &
  Pick<BackendConfig, "switchSeconds"> &
  Pick<BackupConfig, "backups"> &
  Pick<HostConfig, "hostPrepare"> &
  Pick<EdgeConfig, "tls" | "publishPorts" | "bindAddress" | "bindAddressIpv6"> & {
    readonly tunnelEnabled: boolean;
    readonly offsiteBucket: string;
  };

/**
 * How long a replica has to serve on after it was told to stop, in seconds: until each edge has the news (the swarm tells its
 * nodes within a second or two, and an edge asks every second) and its last connection to the replica is used.
 */
const LEAST_SWITCH_SECONDS = 5;

/** The address of a published port where nothing can choose one. */
const EVERY_ADDRESS = "0.0.0.0";

/** What a swarm needs, and what a stack on one has not learned yet: refused by name, and not left out in silence. */
export function swarmProblems(config: SwarmConfig & Beside): ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  const refuse = (key: keyof typeof config, allowed: string): void => {
    problems.push({ key, value: config[key], allowed });
  };
  if (config.platform === "docker") {
    if (config.registry !== "") refuse("registry", "empty, or omniai:platform: swarm beside it");
    return problems;
  }
  const why = "with omniai:platform: swarm, because";
  if (config.registry === "") {
    refuse("registry", `a registry ${why} a node runs no image that was built on another`);
  }
  if (config.database !== "external") {
    refuse(
      "database",
      `external ${why} a volume is on one node; docs/external-databases.md says what that takes`,
    );
  }
  if (config.redis !== "external") {
    refuse(
      "redis",
      `external ${why} a volume is on one node; docs/external-databases.md says what that takes`,
    );
  }
  if (config.monitoring !== "never") {
    refuse("monitoring", `never ${why} the monitoring watches one engine only`);
  }
  const room = "the backup room keeps what it makes in a volume, which is on one node";
  if (config.backups === "always") refuse("backups", `auto or never ${why} ${room}`);
  if (config.offsiteBucket !== "") refuse("offsiteBucket", `empty ${why} ${room}`);
  if (config.tls !== "generated") {
    refuse("tls", `generated ${why} the room for certificates hands them to an edge on its own engine only`);
  }
  if (config.hostPrepare) {
    refuse(
      "hostPrepare",
      `false ${why} it prepares one machine; docs/swarm.md says how each node is prepared`,
    );
  }
  if (publishesPorts(config) && config.bindAddress !== EVERY_ADDRESS) {
    refuse(
      "bindAddress",
      `${EVERY_ADDRESS} ${why} a port of a service is open on every address of its node; or a tunnel, which needs no port`,
    );
  }
  if (publishesPorts(config) && config.bindAddressIpv6 !== "") {
    refuse(
      "bindAddressIpv6",
      `empty ${why} a node's own bridge knows no IPv6: all who come by it would have one address, and share the limits of one`,
    );
  }
  if (config.switchSeconds < LEAST_SWITCH_SECONDS) {
    refuse(
      "switchSeconds",
      `${LEAST_SWITCH_SECONDS} to 60 ${why} every edge has to learn that a replica goes while it still serves`,
    );
  }
  return problems;
}

/** Undefined for a stack on one engine. */
export const swarmOf = ({ platform, registry }: SwarmConfig): Swarm | undefined =>
  platform === "swarm" ? { registry } : undefined;
