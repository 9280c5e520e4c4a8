/**
 * The stack's config: typed, validated once, every error at once. Keys, types and defaults are declared in
 * Pulumi.yaml; here are the ranges and what the values must not contradict.
 */
import * as pulumi from "@pulumi/pulumi";
import { z } from "zod";

/** A key whose value cannot stand: which one, what it is, what is allowed. */
export interface ConfigProblem {
  readonly key: string;
  readonly value: unknown;
  readonly allowed: string;
}

/** Every problem of a stack's config in one error, each with its key and its remedy. */
export class ConfigError extends pulumi.RunError {
  readonly problems: readonly ConfigProblem[];
  constructor(stack: string, problems: readonly ConfigProblem[]) {
    const lines = problems.map(
      ({ key, value, allowed }) =>
        `  omniai:${key} is ${JSON.stringify(value)}; allowed: ${allowed}.\n` +
        `    Change it with: pulumi config set omniai:${key} VALUE --stack ${stack}`,
    );
    super(`The config of stack ${stack} cannot be deployed; nothing was touched.\n${lines.join("\n")}`);
    this.problems = problems;
  }
}

const within = (min: number, max: number) =>
  z.number().int().min(min).max(max).describe(`a whole number from ${min} to ${max}`);
const port = within(1, 65535);
const cpus = z
  .string()
  .regex(/^(0\.[0-9]{0,2}[1-9][0-9]{0,2}|0\.[1-9][0-9]{0,2}|[1-9][0-9]{0,2}(\.[0-9]{1,3})?)$/)
  .describe('cores as a decimal string, "0.01" to "999"');
const image = z
  .string()
  .regex(/^[a-z0-9][a-z0-9._/-]*(:[0-9]+\/[a-z0-9._/-]+)?(:[\w][\w.-]{0,127})?(@sha256:[0-9a-f]{64})?$/)
  .refine((name) => /:[\w][\w.-]*(@|$)|@sha256:/.test(name) && !/:latest$/.test(name))
  .describe("an image name with a tag other than latest, a digest, or both");
const origin = z
  .string()
  .refine((text) => URL.canParse(text) && new URL(text).origin === text && /^https?:/.test(text))
  .describe("exact origins such as https://owner.github.io, without a path");
const certificateHost = z
  .string()
  .regex(/^[A-Za-z0-9]([A-Za-z0-9.:-]*[A-Za-z0-9])?$/)
  .describe("DNS names or IP addresses");

/** One entry per key of Pulumi.yaml; the descriptions become the `allowed` of an error. */
export const configSchema = z.object({
  dockerHost: z
    .string()
    .regex(/^$|^(unix|tcp|ssh|npipe):\/\/.+/)
    .describe("empty, or an address as DOCKER_HOST has it, for example unix:///var/run/docker.sock"),
  bindAddress: z.union([z.ipv4(), z.ipv6()]).describe("an IPv4 or IPv6 address of the host"),
  httpPort: port,
  httpsPort: port,
  certificateHosts: z.array(certificateHost).min(1).describe("at least one DNS name or IP address"),
  certificateSerial: within(1, 1_000_000),
  corsOrigins: z.array(origin).describe("a list of exact origins such as https://owner.github.io"),
  backendReplicas: within(1, 16),
  backendMemory: within(128, 65_536),
  backendCpus: cpus,
  backendStartSeconds: within(1, 3600),
  postgresMemory: within(192, 1_048_576),
  postgresCpus: cpus,
  redisMemory: within(64, 1_048_576),
  redisCpus: cpus,
  edgeMemory: within(32, 65_536),
  edgeCpus: cpus,
  eventRetention: within(100, 10_000_000),
  switchSeconds: within(3, 60),
  drainSeconds: within(1, 600),
  logLevel: z
    .enum(["fatal", "error", "warn", "info", "debug", "trace"])
    .describe("one of fatal, error, warn, info, debug, trace"),
  postgresImage: image,
  redisImage: image,
  nginxImage: image,
  nodeImage: image,
});

export type StackConfig = z.infer<typeof configSchema>;

/** What contradicts what, beyond the range of a single key. */
function contradictions(config: StackConfig): ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  if (config.httpPort === config.httpsPort) {
    problems.push({
      key: "httpsPort",
      value: config.httpsPort,
      allowed: `any port but omniai:httpPort (${config.httpPort})`,
    });
  }
  return problems;
}

/**
 * Validates a whole config.
 * @param raw one value per key of Pulumi.yaml; integers as numbers, lists as arrays.
 * @throws ConfigError with every problem found.
 */
export function parseConfig(stack: string, raw: Readonly<Record<string, unknown>>): StackConfig {
  const known = configSchema.shape;
  const unknown: ConfigProblem[] = Object.keys(raw)
    .filter((key) => !(key in known))
    .map((key) => ({
      key,
      value: raw[key],
      allowed: `the keys of Pulumi.yaml: ${Object.keys(known).join(", ")}`,
    }));
  const result = configSchema.safeParse(raw);
  if (!result.success) {
    const keys = [...new Set(result.error.issues.map((issue) => String(issue.path[0])))];
    const wrong = keys.map((key) => ({
      key,
      value: raw[key],
      allowed: known[key as keyof typeof known].description ?? "see Pulumi.yaml",
    }));
    throw new ConfigError(stack, [...unknown, ...wrong]);
  }
  const problems = [...unknown, ...contradictions(result.data)];
  if (problems.length > 0) throw new ConfigError(stack, problems);
  return result.data;
}

/** Reads the config of the stack that is being deployed. @throws ConfigError */
export function loadConfig(): StackConfig {
  const config = new pulumi.Config();
  const raw: Record<string, unknown> = {};
  // A key that nobody reads is a typing error more often than not.
  for (const [key, text] of Object.entries(pulumi.runtime.allConfig())) {
    if (key.startsWith("omniai:")) raw[key.slice("omniai:".length)] = text;
  }
  for (const [key, schema] of Object.entries(configSchema.shape)) {
    const text = config.get(key);
    // Pulumi hands every value over as text; what is not a string in the schema was written as JSON.
    raw[key] = text === undefined || isText(schema) ? text : parseJson(text);
  }
  return parseConfig(pulumi.getStack(), raw);
}

const isText = (schema: z.ZodType): boolean =>
  !(schema instanceof z.ZodNumber || schema instanceof z.ZodArray || schema instanceof z.ZodBoolean);

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
