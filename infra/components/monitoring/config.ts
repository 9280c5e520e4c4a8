/** The monitoring's config keys: what each may be, whether a stack is watched, and what they become. */
import { z } from "zod";
import { cpus, image, within, type Values } from "../../config/keys.ts";
import { environmentOf, type PolicySettings } from "../../config/policy-settings.ts";
import { secret, type Loaded } from "../../config/secrets.ts";
import type { MonitoringArgs } from "./monitoring.ts";
import { receivers } from "./receivers.ts";

/** With less, in MiB, VictoriaMetrics is ended by the kernel once its caches are full. */
const LEAST_MEMORY = 160;

export const monitoringKeys = {
  // Not on and off, which YAML reads as true and false in some places and as words in others.
  monitoring: z.enum(["auto", "always", "never"]).describe("one of auto, always, never"),
  monitoringDays: within(1, 3650),
  monitoringLogDays: within(1, 3650),
  monitoringLogDisk: within(256, 1_048_576),
  // A file that was written when less was the default is still a right one: what it lacks is added.
  monitoringMemory: within(96, 65_536),
  monitoringCpus: cpus,
  alertReceivers: receivers,
  watchdogSecretUrl: secret(z.string().regex(/^(https?:\/\/\S+)?$/)).describe(
    "empty, or an http or https URL",
  ),
  watchdogSeconds: within(5, 600),
  victoriaMetricsImage: image,
  vmalertImage: image,
  alertmanagerImage: image,
  nodeExporterImage: image,
  victoriaLogsImage: image,
  vlagentImage: image,
};

export type MonitoringConfig = Values<typeof monitoringKeys>;

/** The images that only a stack with monitoring needs. */
export const MONITORING_IMAGES = [
  "victoriaMetricsImage",
  "vmalertImage",
  "alertmanagerImage",
  "nodeExporterImage",
  "victoriaLogsImage",
  "vlagentImage",
] as const satisfies readonly (keyof MonitoringConfig)[];

/** Whether the stack is watched: `auto` means everywhere but in dev, where somebody looks anyway. */
export const isMonitored = (
  stack: string,
  { monitoring, environment }: Pick<MonitoringConfig, "monitoring"> & Pick<PolicySettings, "environment">,
): boolean => (monitoring === "auto" ? environmentOf(stack, environment) !== "dev" : monitoring === "always");

/** What the stack gives the monitoring beside its config. */
type FromTheStack =
  | ("engine" | "filesImage" | "networks" | "replicas" | "replicaPort" | "workloads" | "pushHook")
  | ("certificateEnds" | "edgeConnections" | "connectorPort" | "backupPort" | "certificatesPort");

export const monitoringArgs = (config: Loaded<MonitoringConfig>): Omit<MonitoringArgs, FromTheStack> => ({
  images: {
    victoriaMetrics: config.victoriaMetricsImage,
    vmalert: config.vmalertImage,
    alertmanager: config.alertmanagerImage,
    nodeExporter: config.nodeExporterImage,
    victoriaLogs: config.victoriaLogsImage,
    vlagent: config.vlagentImage,
  },
  days: config.monitoringDays,
  logDays: config.monitoringLogDays,
  logDisk: config.monitoringLogDisk,
  memory: Math.max(LEAST_MEMORY, config.monitoringMemory),
  cpus: config.monitoringCpus,
  receivers: config.alertReceivers,
  watchdog: config.watchdogSecretUrl && {
    url: config.watchdogSecretUrl,
    seconds: config.watchdogSeconds,
  },
});
