/** Everything that is wrong with a stack's config, found at once and told with what to do. */
// Not the whole SDK: commands that only look at a stack load this, and the SDK takes most of a second.
import { RunError } from "@pulumi/pulumi/errors.js";
import type { z } from "zod";
import type { ConfigProblem } from "./keys.ts";
import { mirrored } from "./mirror.ts";
import { isWeaker } from "./policy-settings.ts";
import { CONTRADICTIONS } from "./rules.ts";
import { configSchema, schemaOf, type StackConfig } from "./schema.ts";
import { holdsSecret, isSecretName, secretsIn } from "./secrets.ts";

export type { ConfigProblem };

/** A key as `pulumi config` writes it: with its namespace. */
const qualified = (key: string): string => (key.includes(":") ? key : `omniai:${key}`);

/** A key and the part of its value that is meant, as `pulumi config --path` writes it: omniai:providers[0].apiKey */
const placeOf = ({ key, path = [] }: ConfigProblem): string =>
  qualified(key) + path.map((part) => (/^\d+$/.test(part) ? `[${part}]` : `.${part}`)).join("");

/** Whether a key's value is a secret or has one within it; a key that is not known here is judged by its name. */
function isHidden(key: string): boolean {
  const schema = schemaOf(key);
  return schema === undefined ? isSecretName(key) : holdsSecret(schema);
}

/** A value as a message may show it: never a secret, and no password in an address either. */
function shown({ key, value }: ConfigProblem): string {
  if (isHidden(key) && value !== undefined && value !== "") return "[not shown]";
  return String(JSON.stringify(value)).replace(/(:\/\/[^/@\s":]*:)[^/@\s"]+@/g, "$1[not shown]@");
}

function describe(stack: string, problem: ConfigProblem): string {
  const place = placeOf(problem);
  if (problem.allowed === undefined) {
    return (
      `  ${place} is not a key of this project; a typing error would leave the right key at its default.\n` +
      `    Correct its name (Pulumi.yaml lists all keys), or remove it with: pulumi config rm ${place} --stack ${stack}`
    );
  }
  const flags = problem.path === undefined ? "" : " --path";
  const value = isHidden(problem.key) ? "--secret" : "VALUE";
  return (
    `  ${place} is ${shown(problem)}; allowed: ${problem.allowed}.\n` +
    `    Change it with: pulumi config set${flags} ${flags === "" ? place : `'${place}'`} ${value} --stack ${stack}`
  );
}

/** Every problem of a stack's config in one error, each with its key and its remedy. */
export class ConfigError extends RunError {
  readonly problems: readonly ConfigProblem[];
  constructor(stack: string, problems: readonly ConfigProblem[]) {
    const lines = problems.map((problem) => describe(stack, problem));
    super(`The config of stack ${stack} cannot be deployed; nothing was touched.\n${lines.join("\n")}`);
    this.problems = problems;
  }
}

/** What is known of a config beside its values. */
export interface Known {
  /** Keys that have a value which is not known here; nothing is said about them. */
  readonly hidden?: ReadonlySet<string>;
  /** Whether the value at a path, whose first part is the key, is encrypted in the stack's file. Default: none is. */
  readonly isEncrypted?: (path: readonly string[]) => boolean;
  /** Where tokens may come from instead. */
  readonly environment?: NodeJS.ProcessEnv;
}

/** A rule has read a key whose own value is wrong, or not known here. */
class Unusable extends Error {}

/**
 * Every problem of a config: unknown keys, wrong values, secrets in the clear, and contradictions among what is right.
 * @param raw one value per key of Pulumi.yaml; integers as numbers, lists as arrays.
 */
export function findProblems(
  raw: Readonly<Record<string, unknown>>,
  { hidden = new Set(), isEncrypted = () => false, environment = process.env }: Known = {},
): { readonly problems: readonly ConfigProblem[]; readonly config: StackConfig } {
  const problems: ConfigProblem[] = [];
  const values: Record<string, unknown> = {};
  for (const key of Object.keys(raw).filter((name) => schemaOf(name) === undefined)) {
    problems.push({ key, value: raw[key] });
  }
  for (const [key, schema] of Object.entries(configSchema.shape)) {
    if (hidden.has(key)) continue;
    for (const path of secretsIn(schema, raw[key])) {
      if (!isEncrypted([key, ...path])) problems.push(inTheClear(key, raw[key], path));
    }
    const result = schema.safeParse(raw[key]);
    if (result.success) values[key] = result.data;
    else problems.push({ key, value: raw[key], allowed: allowedOf(schema, result.error) });
  }
  // A rule that reads an unusable value says nothing; all others are still heard.
  const config = new Proxy(values as StackConfig, {
    get(target, key, receiver) {
      if (typeof key === "string" && schemaOf(key) !== undefined && !(key in target)) throw new Unusable(key);
      return Reflect.get(target, key, receiver) as unknown;
    },
  });
  for (const rule of CONTRADICTIONS) {
    try {
      problems.push(...rule(config, environment));
    } catch (error) {
      if (!(error instanceof Unusable)) throw error;
    }
  }
  return { problems, config: mirrored(values) as StackConfig };
}

const inTheClear = (key: string, value: unknown, path: readonly string[] = []): ConfigProblem => ({
  key,
  value,
  allowed:
    "an encrypted value, because a secret in the clear can be read by everybody who gets the file; " +
    "where somebody else has the file, get a new secret first",
  ...(path.length > 0 ? { path } : {}),
});

/**
 * Secrets of other namespaces that are in the clear, such as cloudflare:apiToken.
 * @param config values by key, with their namespace.
 */
export const foreignProblems = (
  config: Readonly<Record<string, unknown>>,
  isEncrypted: (key: string) => boolean,
): ConfigProblem[] =>
  Object.entries(config)
    .filter(([key, value]) => key.includes(":") && !key.startsWith("omniai:") && value !== "")
    .filter(([key]) => isSecretName(key) && !isEncrypted(key))
    .map(([key, value]) => inTheClear(key, value));

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
  known: Known = {},
): StackConfig {
  const { problems: found, config } = findProblems(raw, known);
  const problems = [...found, ...weakness(stack, raw["environment"])];
  if (problems.length > 0) throw new ConfigError(stack, problems);
  return config;
}
