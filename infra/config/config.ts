/**
 * Reads the config of the stack that is being deployed: typed, and validated once. Types and defaults are declared in
 * Pulumi.yaml, ranges and contradictions by the rooms.
 */
import * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import { ConfigError, findProblems, foreignProblems, weakness } from "./problems.ts";
import { configSchema, schemaOf, type LoadedConfig } from "./schema.ts";
import { load } from "./secrets.ts";

/** The provider's own key counts like the variable that it stands for (infra/components/tunnel/provider.ts). */
export const environmentWith = (config: Readonly<Record<string, string>>): NodeJS.ProcessEnv =>
  config["cloudflare:apiToken"]
    ? { ...process.env, CLOUDFLARE_API_TOKEN: config["cloudflare:apiToken"] }
    : process.env;

/**
 * Whether a key is encrypted in the stack's file, as a whole or in part. The SDK knows, but marks the function as
 * internal and leaves it out of its types; infra/test/private-interfaces.test.ts notices when it is gone.
 */
const { isConfigSecret } = pulumi.runtime as unknown as { isConfigSecret: (key: string) => boolean };

/** @throws ConfigError */
export function loadConfig(): LoadedConfig {
  const all = pulumi.runtime.allConfig();
  const raw: Record<string, unknown> = {};
  // Every key of ours, also one that nobody reads: that is a typing error more often than not.
  for (const [name, text] of Object.entries(all)) {
    const key = name.startsWith("omniai:") ? name.slice("omniai:".length) : undefined;
    if (key !== undefined) raw[key] = typedValue(key, text);
  }
  const stack = pulumi.getStack();
  const { problems, config } = findProblems(raw, {
    // Pulumi says it of a whole key. A part in the clear beside an encrypted part is found by ops, which reads the file.
    isEncrypted: ([key = ""]) => isConfigSecret(`omniai:${key}`),
    environment: environmentWith(all),
  });
  const more = [...weakness(stack, raw["environment"]), ...foreignProblems(all, isConfigSecret)];
  if (problems.length + more.length > 0) throw new ConfigError(stack, [...problems, ...more]);
  return load(configSchema, config);
}

/**
 * A value as the schema wants it. Pulumi hands every value over as text, and what is not text in the schema as JSON;
 * a YAML file may write either: `backendCpus: 2`, `httpPort: "8080"`.
 */
export function typedValue(key: string, value: unknown): unknown {
  const schema = schemaOf(key);
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
