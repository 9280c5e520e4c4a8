/**
 * Reads the environment once, at the start. A variable that is absent or empty takes its default. Wrong values and
 * unknown `OMNIAI_*` names stop the start, all of them in one message that says what is allowed, so that nobody has to
 * read the code to repair an environment.
 */
import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { nearestTo } from "./nearest.ts";
import { configSchema } from "./schema.ts";
import { isSentence, variables, type Variable } from "./variables.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

export interface Config extends Readonly<z.output<typeof configSchema>> {
  /** The name of this replica: the host name, which the engine sets to the container's. */
  readonly replica: string;
  readonly version: string;
}
export type PostgresConfig = Readonly<Config["postgres"]>;
export type RedisConfig = Readonly<Config["redis"]>;
export type EventsConfig = Readonly<Config["events"]>;
export type AuthConfig = Readonly<Config["auth"]>;
export type LoginLimitsConfig = AuthConfig["limits"];
export type HealthConfig = Readonly<Config["health"]>;
export type ProviderConfig = Readonly<Config["providers"][number]>;

export class ConfigError extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(`The configuration is wrong:\n${problems.map((problem) => `- ${problem}`).join("\n")}`);
    this.name = "ConfigError";
    this.problems = problems;
  }
}

const { version } = z
  .object({ version: z.string() })
  .parse(JSON.parse(readFileSync(join(import.meta.dirname, "../../../package.json"), "utf8")));

/** The parts of a group; undefined for any other schema. */
const shapeOf = (schema: z.core.$ZodType): z.core.$ZodShape | undefined =>
  schema instanceof z.ZodObject ? schema.shape : undefined;

/** Every variable that a schema reads, in its order. */
function variablesOf(schema: z.core.$ZodType): Variable[] {
  const variable = variables.get(schema);
  if (variable) return [variable];
  return Object.values(shapeOf(schema) ?? {}).flatMap(variablesOf);
}

/** What the names of the service's own variables begin with. */
const PREFIX = "OMNIAI_";

/** The names of all variables that the service reads. */
export const VARIABLE_NAMES: readonly string[] = variablesOf(configSchema).map(({ name }) => name);

/** Reads the environment. @throws ConfigError with every problem found. */
export function loadConfig(environment: Environment): Config {
  const unknown = unknownNames(environment);
  const parsed = configSchema.safeParse(inputOf(configSchema, environment));
  if (parsed.success && unknown.length === 0) return { ...parsed.data, replica: hostname(), version };
  const wrong = parsed.success ? [] : problemsOf(parsed.error, environment);
  throw new ConfigError([...unknown, ...wrong]);
}

/** A typing error would otherwise leave the default in force, and nobody would notice. */
function unknownNames(environment: Environment): string[] {
  return Object.keys(environment)
    .filter((name) => name.startsWith(PREFIX) && !VARIABLE_NAMES.includes(name))
    .map((name) => {
      const nearest = nearestTo(name, VARIABLE_NAMES, PREFIX);
      const question = nearest === undefined ? "" : `; did you mean ${nearest}?`;
      const sentence = `${name}: the service does not know this name${question || "."}`;
      return `${sentence} Correct the name, or remove the variable`;
    });
}

/** The environment in the schema's groups. */
function inputOf(schema: z.core.$ZodType, environment: Environment): unknown {
  const variable = variables.get(schema);
  if (variable) return environment[variable.name] || undefined;
  const parts = Object.entries(shapeOf(schema) ?? {});
  return Object.fromEntries(parts.map(([key, part]) => [key, inputOf(part, environment)]));
}

/** One sentence for each variable with a wrong value. */
function problemsOf(error: z.ZodError, environment: Environment): string[] {
  const sentences = new Map<string, string>();
  for (const issue of error.issues) {
    const { variable, inside } = find(issue.path);
    if (!sentences.has(variable.name)) {
      const said = isSentence(issue) ? issue.message : describe(variable, inside, issue, environment);
      sentences.set(variable.name, `${variable.name}: ${said}`);
    }
  }
  return [...sentences.values()];
}

/** The variable that a path of the schema leads to, and the rest of the path, within its value. */
function find(path: readonly PropertyKey[]): { variable: Variable; inside: readonly PropertyKey[] } {
  let schema: z.core.$ZodType | undefined = configSchema;
  for (let depth = 0; schema; depth++) {
    const variable = variables.get(schema);
    if (variable) return { variable, inside: path.slice(depth) };
    schema = shapeOf(schema)?.[path[depth] as string];
  }
  throw new Error(`No variable is read for ${path.join(".")}.`);
}

function describe(
  { name, allowed, isHidden }: Variable,
  inside: readonly PropertyKey[],
  { message }: z.core.$ZodIssue,
  environment: Environment,
): string {
  if (!isHidden) return `${JSON.stringify(environment[name])} is not allowed; allowed is ${allowed}`;
  const where = inside.length > 0 ? ` (at ${inside.join(".")}: ${message})` : "";
  return `the value (not shown) is not allowed${where}; allowed is ${allowed}`;
}
