/**
 * What each key of Pulumi.yaml may be. Each room says it of its own keys; here they become one schema. No room's config.ts
 * loads Pulumi's SDK: commands that only look read the config too, and the SDK takes most of a second.
 */
import { z } from "zod";
import { backendKeys } from "../components/backend/config.ts";
import { backupKeys } from "../components/backup/config.ts";
import { cacheKeys } from "../components/cache/config.ts";
import { acmeKeys } from "../components/certificates/config.ts";
import { databaseKeys } from "../components/database/config.ts";
import { edgeKeys } from "../components/edge/config.ts";
import { hostKeys } from "../components/host/config.ts";
import { offsiteKeys } from "../components/offsite/config.ts";
import { monitoringKeys } from "../components/monitoring/config.ts";
import { pagesKeys } from "../components/pages/config.ts";
import { swarmKeys } from "../components/swarm/config.ts";
import { tunnelKeys } from "../components/tunnel/config.ts";
import { mirrorKeys } from "./mirror.ts";
import { policySettings } from "./policy-settings.ts";
import type { Loaded } from "./secrets.ts";

/** One entry per key of Pulumi.yaml; the descriptions become the `allowed` of an error. */
export const configSchema = z.object({
  ...policySettings,
  ...mirrorKeys,
  ...hostKeys,
  ...swarmKeys,
  ...edgeKeys,
  ...acmeKeys,
  ...tunnelKeys,
  ...pagesKeys,
  ...backendKeys,
  ...databaseKeys,
  ...cacheKeys,
  ...backupKeys,
  ...offsiteKeys,
  ...monitoringKeys,
});

export type StackConfig = z.infer<typeof configSchema>;

/** The config as the program gets it: secrets are outputs, undefined where none was set. */
export type LoadedConfig = Loaded<StackConfig>;

/** The schema of a key; undefined for a key that Pulumi.yaml does not have. */
export const schemaOf = (key: string): z.ZodType | undefined =>
  Object.hasOwn(configSchema.shape, key)
    ? (configSchema.shape as Readonly<Record<string, z.ZodType>>)[key]
    : undefined;
