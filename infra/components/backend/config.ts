/** The backend's config keys: what each may be, what they contradict, and what they become. */
import { z } from "zod";
import { cpus, image, within, type ConfigProblem, type Values } from "../../config/keys.ts";
import type { Loaded } from "../../config/secrets.ts";
import { authArgs, authKeys, authProblems } from "./auth.ts";
import type { BackendArgs } from "./backend.ts";
import { pushArgs, pushKeys } from "./push-config.ts";
import { providerProblems, providers } from "./providers.ts";

export const backendKeys = {
  ...authKeys,
  ...pushKeys,
  backendReplicas: within(1, 16),
  backendMemory: within(192, 65_536),
  backendCpus: cpus,
  backendStartSeconds: within(1, 3600),
  clientReportsPerMinute: within(1, 1_000_000),
  providers,
  eventRetention: within(100, 10_000_000),
  clientReportDays: within(1, 365),
  clientReportsMax: within(1, 10_000_000),
  switchSeconds: within(3, 60),
  drainSeconds: within(1, 600),
  logLevel: z
    .enum(["fatal", "error", "warn", "info", "debug", "trace"])
    .describe("one of fatal, error, warn, info, debug, trace"),
  otlpEndpoint: z
    .string()
    .regex(/^(https?:\/\/[A-Za-z0-9._-]+(:\d+)?(\/[^\s?#@]*)?)?$/)
    .describe("empty, or an http or https URL without user and query"),
  nodeImage: image,
};

export type BackendConfig = Values<typeof backendKeys>;

export const BACKEND_PROBLEMS: readonly ((config: BackendConfig) => ConfigProblem[])[] = [
  authProblems,
  providerProblems,
];

/** What the stack gives a backend beside its config. */
type FromTheStack =
  "engine" | "repository" | "build" | "networks" | "database" | "cache" | "surroundings" | "corsOrigins";

export const backendArgs = (config: Loaded<BackendConfig>): Omit<BackendArgs, FromTheStack> => ({
  nodeImage: config.nodeImage,
  replicas: config.backendReplicas,
  memory: config.backendMemory,
  cpus: config.backendCpus,
  startSeconds: config.backendStartSeconds,
  clientReportsPerMinute: config.clientReportsPerMinute,
  providers: config.providers,
  auth: authArgs(config),
  push: pushArgs(config),
  eventRetention: config.eventRetention,
  clientReportDays: config.clientReportDays,
  clientReportsMax: config.clientReportsMax,
  switchSeconds: config.switchSeconds,
  drainSeconds: config.drainSeconds,
  logLevel: config.logLevel,
  otlpEndpoint: config.otlpEndpoint,
});
