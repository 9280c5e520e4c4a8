/** The config of a stack on a swarm: what has no default, and nothing else. */
import { EXTERNAL_SECRETS, externalConfig } from "./external-config.ts";

export const swarmConfig = {
  ...externalConfig,
  platform: "swarm",
  registry: "registry.example.org:5000/team",
  monitoring: "never",
  bindAddress: "0.0.0.0",
} as const;

export const SWARM_SECRETS = EXTERNAL_SECRETS;
