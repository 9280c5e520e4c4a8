/**
 * Reads the config of the stack that is being deployed: typed, and validated once. Types and defaults are declared in
 * Pulumi.yaml, ranges and contradictions by the rooms.
 */
import * as pulumi from "@pulumi/pulumi";
import type { z } from "zod";
import { ConfigError, findProblems, foreignProblems, weakness } from "./problems.ts";
import { configSchema, type LoadedConfig } from "./schema.ts";
import { isSet, mapSecrets, type Loaded } from "./secrets.ts";
import { environmentWith, typedValue } from "./values.ts";

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

/** A value that the schema has accepted, with outputs in the place of secrets. */
export const load = <S extends z.ZodType>(schema: S, value: z.infer<S>): Loaded<z.infer<S>> =>
  mapSecrets(schema, value, (text) => (isSet(text) ? pulumi.secret(text) : undefined)) as Loaded<z.infer<S>>;
