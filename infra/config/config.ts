/**
 * The stack's config: typed, validated once, every error at once. Keys, types and defaults are declared in
 * Pulumi.yaml; here are the ranges and what the values must not contradict.
 */
import * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import { contradictions } from "./rules.ts";
import { configSchema, type ConfigProblem, type StackConfig } from "./schema.ts";
import { isWeaker } from "./policy-settings.ts";

/** Keys whose values are secrets as a whole: they are handed out as such. */
const SECRET_KEYS = ["cloudflareApiToken", "githubToken"] as const;
export type SecretKey = (typeof SECRET_KEYS)[number];
/** Keys whose values are, or hold, secrets: they are never shown. */
const NEVER_SHOWN: ReadonlySet<string> = new Set([...SECRET_KEYS, "providers", "hostPrivateKey"]);
const shown = (key: string, value: unknown): string =>
  NEVER_SHOWN.has(key) && value !== undefined && value !== "" ? "[not shown]" : JSON.stringify(value);

/** Every problem of a stack's config in one error, each with its key and its remedy. */
export class ConfigError extends pulumi.RunError {
  readonly problems: readonly ConfigProblem[];
  constructor(stack: string, problems: readonly ConfigProblem[]) {
    const lines = problems.map(
      ({ key, value, allowed }) =>
        `  omniai:${key} is ${shown(key, value)}; allowed: ${allowed}.\n` +
        `    Change it with: pulumi config set omniai:${key} ${NEVER_SHOWN.has(key) ? "--secret" : "VALUE"} --stack ${stack}`,
    );
    super(`The config of stack ${stack} cannot be deployed; nothing was touched.\n${lines.join("\n")}`);
    this.problems = problems;
  }
}

/** The config as the program gets it: secrets are outputs, undefined where none was set. */
export type LoadedConfig = Omit<StackConfig, SecretKey> &
  Readonly<Record<SecretKey, pulumi.Output<string> | undefined>>;

/** A rule has read a key whose own value is wrong, or not known here. */
class Unusable extends Error {}

/**
 * Every problem of a config: unknown keys, wrong values, and contradictions among those that are right.
 * @param raw one value per key of Pulumi.yaml; integers as numbers, lists as arrays.
 * @param hidden keys that have a value which is not known here; nothing is said about them.
 * @param environment where tokens may come from instead.
 */
export function findProblems(
  raw: Readonly<Record<string, unknown>>,
  hidden: ReadonlySet<string> = new Set(),
  environment: NodeJS.ProcessEnv = process.env,
): { readonly problems: readonly ConfigProblem[]; readonly config: StackConfig } {
  const problems: ConfigProblem[] = [];
  const values: Record<string, unknown> = {};
  for (const key of Object.keys(raw).filter((name) => !(name in configSchema.shape))) {
    const allowed = `the keys of Pulumi.yaml: ${Object.keys(configSchema.shape).join(", ")}`;
    problems.push({ key, value: raw[key], allowed });
  }
  for (const [key, schema] of Object.entries(configSchema.shape)) {
    if (hidden.has(key)) continue;
    const result = schema.safeParse(raw[key]);
    if (result.success) values[key] = result.data;
    else problems.push({ key, value: raw[key], allowed: allowedOf(schema, result.error) });
  }
  // A rule that reads an unusable value says nothing; all others are still heard.
  const config = new Proxy(values as StackConfig, {
    get(target, key, receiver) {
      if (typeof key === "string" && key in configSchema.shape && !(key in target)) throw new Unusable(key);
      return Reflect.get(target, key, receiver) as unknown;
    },
  });
  for (const rule of contradictions) {
    try {
      problems.push(...rule(config, environment));
    } catch (error) {
      if (!(error instanceof Unusable)) throw error;
    }
  }
  return { problems, config: values as StackConfig };
}

/** What the key takes, and which part of a longer value is meant. */
function allowedOf(schema: z.ZodType, error: z.ZodError): string {
  const path = error.issues[0]?.path ?? [];
  return `${schema.description ?? "see Pulumi.yaml"}${path.length > 0 ? ` (wrong at ${path.join(".")})` : ""}`;
}

/** prod stays prod: a stack of that name cannot ask for laxer policies. */
export const weakness = (stack: string, value: unknown): ConfigProblem[] =>
  typeof value === "string" && isWeaker(stack, value)
    ? [
        {
          key: "environment",
          value,
          allowed: `empty or ${stack} or stricter, because that is the stack's name`,
        },
      ]
    : [];

/** Validates a whole config. @throws ConfigError with every problem found. */
export function parseConfig(
  stack: string,
  raw: Readonly<Record<string, unknown>>,
  environment: NodeJS.ProcessEnv = process.env,
): StackConfig {
  const { problems: found, config } = findProblems(raw, new Set(), environment);
  const problems = [...found, ...weakness(stack, raw["environment"])];
  if (problems.length > 0) throw new ConfigError(stack, problems);
  return config;
}

/** The provider's own key counts like the variable that it stands for (infra/components/tunnel/provider.ts). */
export const environmentWith = (config: Readonly<Record<string, string>>): NodeJS.ProcessEnv =>
  config["cloudflare:apiToken"]
    ? { ...process.env, CLOUDFLARE_API_TOKEN: config["cloudflare:apiToken"] }
    : process.env;

/** Reads the config of the stack that is being deployed. @throws ConfigError */
export function loadConfig(): LoadedConfig {
  const raw: Record<string, unknown> = {};
  // A key that nobody reads is a typing error more often than not.
  for (const [name, text] of Object.entries(pulumi.runtime.allConfig())) {
    if (name.startsWith("omniai:")) raw[name.slice("omniai:".length)] = text;
  }
  for (const key of Object.keys(raw)) raw[key] = typedValue(key, raw[key]);
  const config = parseConfig(pulumi.getStack(), raw, environmentWith(pulumi.runtime.allConfig()));
  const secretOf = (key: SecretKey): pulumi.Output<string> | undefined =>
    config[key] === "" ? undefined : pulumi.secret(config[key]);
  return {
    ...config,
    cloudflareApiToken: secretOf("cloudflareApiToken"),
    githubToken: secretOf("githubToken"),
  };
}

/**
 * A value as the schema wants it. Pulumi hands every value over as text, and what is not text in the schema as JSON;
 * a YAML file may write either: `backendCpus: 2`, `httpPort: "8080"`.
 */
export function typedValue(key: string, value: unknown): unknown {
  const schema: z.ZodType | undefined = (configSchema.shape as Record<string, z.ZodType>)[key];
  if (schema === undefined) return value;
  if (isText(schema)) return typeof value === "number" || typeof value === "boolean" ? String(value) : value;
  return typeof value === "string" ? parseJson(value) : value;
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
