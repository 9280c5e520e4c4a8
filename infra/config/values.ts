/** Config values as files and the environment have them, in the form that the schema wants. Without Pulumi's SDK. */
import { z } from "zod";
import { schemaOf } from "./schema.ts";

/** The provider's own key counts like the variable that it stands for (infra/components/tunnel/provider.ts). */
export const environmentWith = (config: Readonly<Record<string, string>>): NodeJS.ProcessEnv =>
  config["cloudflare:apiToken"]
    ? { ...process.env, CLOUDFLARE_API_TOKEN: config["cloudflare:apiToken"] }
    : process.env;

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
