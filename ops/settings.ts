/**
 * What ops has to know of a stack's config before Pulumi runs: the image names to have ready, the ports to look
 * at, the engine. Ranges and contradictions are the program's business; here a value that cannot be is left alone.
 */
import fs from "node:fs";
import path from "node:path";
import { parse } from "yaml";
import { EXIT, OpsError } from "./errors.ts";

export type Values = Readonly<Record<string, unknown>>;

export interface Settings {
  /** The project's name in Pulumi.yaml. */
  readonly project: string;
  /** Config values by key, without the project's namespace: the stack's, else the default. */
  readonly values: Values;
  /** The types that Pulumi.yaml declares, by key. */
  readonly types: Readonly<Record<string, string>>;
  /** Pulumi.<stack>.yaml as it is committed; undefined where there is none. */
  readonly stackFile?: Values;
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** A mapping out of a YAML file. @throws OpsError that names the file */
export function readYaml(file: string): Values {
  let value: unknown;
  try {
    value = parse(fs.readFileSync(file, "utf8")) ?? {};
  } catch (error) {
    throw new OpsError(
      `${path.basename(file)} cannot be read: ${(error as Error).message.split("\n")[0]}`,
      "Correct the file; `git diff` shows what changed in it.",
      EXIT.usage,
      { cause: error },
    );
  }
  if (!isRecord(value)) {
    throw new OpsError(
      `${path.basename(file)} is not a mapping of keys to values.`,
      "Correct the file.",
      EXIT.usage,
    );
  }
  return value;
}

/** The keys of a `config:` section without the project's namespace; keys of other namespaces are left out. */
function ownKeys(section: unknown, project: string): Record<string, unknown> {
  if (!isRecord(section)) return {};
  const own: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(section)) {
    const [head, tail] = key.includes(":")
      ? [key.slice(0, key.indexOf(":")), key.slice(key.indexOf(":") + 1)]
      : ["", key];
    if (head === "" || head === project) own[tail] = value;
  }
  return own;
}

/** Pulumi.yaml's defaults beneath the stack's own values. A secret value cannot be read here and counts as unset. */
export function mergeValues(projectFile: Values, stackFile: Values | undefined, project: string): Values {
  const values: Record<string, unknown> = {};
  for (const [key, declared] of Object.entries(ownKeys(projectFile["config"], project))) {
    const value = isRecord(declared) ? (declared["value"] ?? declared["default"]) : declared;
    if (value !== undefined) values[key] = value;
  }
  for (const [key, value] of Object.entries(ownKeys(stackFile?.["config"], project))) {
    if (isRecord(value) && "secure" in value) delete values[key];
    else values[key] = value;
  }
  return values;
}

export const stackFilePath = (root: string, stack: string): string => path.join(root, `Pulumi.${stack}.yaml`);

export function readSettings(root: string, stack: string): Settings {
  const projectFile = readYaml(path.join(root, "Pulumi.yaml"));
  const project = projectFile["name"];
  if (typeof project !== "string") {
    throw new OpsError("Pulumi.yaml names no project.", "Restore the file from git.", EXIT.usage);
  }
  const file = stackFilePath(root, stack);
  const stackFile = fs.existsSync(file) ? readYaml(file) : undefined;
  return {
    project,
    stackFile,
    types: declaredTypes(projectFile, project),
    values: mergeValues(projectFile, stackFile, project),
  };
}

function declaredTypes(projectFile: Values, project: string): Record<string, string> {
  const declared = Object.entries(ownKeys(projectFile["config"], project));
  return Object.fromEntries(
    declared.flatMap(([key, value]) =>
      isRecord(value) && typeof value["type"] === "string" ? [[key, value["type"]]] : [],
    ),
  );
}

/** What a value of each type of Pulumi.yaml looks like: a test, and words for it. */
const TYPES: Readonly<Record<string, { fits: (value: unknown) => boolean; allowed: string }>> = {
  integer: { fits: (value) => /^-?\d+$/.test(String(value)), allowed: "an integer" },
  boolean: { fits: (value) => /^(true|false)$/.test(String(value)), allowed: "a boolean, true or false" },
  array: { fits: (value) => Array.isArray(value), allowed: "an array, written as [a, b]" },
  string: { fits: (value) => typeof value !== "object", allowed: "a string" },
};

/**
 * Values of the wrong type, all at once. Pulumi finds the first of them too, but does not say what the value is.
 * @throws OpsError
 */
export function checkTypes(stack: string, { values, types, project }: Settings): void {
  const problems = Object.entries(types).flatMap(([key, type]) => {
    const [value, rule] = [values[key], TYPES[type]];
    if (value === undefined || rule === undefined || rule.fits(value)) return [];
    return [`  ${project}:${key} is ${JSON.stringify(value)}; allowed: ${rule.allowed}.`];
  });
  if (problems.length === 0) return;
  throw new OpsError(
    `The config of stack ${stack} cannot be deployed; nothing was touched.\n${problems.join("\n")}`,
    `Correct Pulumi.${stack}.yaml; Pulumi.yaml says what each key means.`,
    EXIT.usage,
  );
}

/** The stacks that have a file here. */
export const stackFiles = (root: string): string[] =>
  fs
    .readdirSync(root)
    .map((name) => /^Pulumi\.(.+)\.yaml$/.exec(name)?.[1])
    .filter((name) => name !== undefined)
    .sort();

/** A port by key; undefined when the value cannot be one, which the program reports. */
export function portOf(values: Values, key: string): number | undefined {
  const port = typeof values[key] === "string" ? Number(values[key]) : values[key];
  return typeof port === "number" && Number.isInteger(port) && port >= 1 && port <= 65_535 ? port : undefined;
}

export const textOf = (values: Values, key: string): string | undefined =>
  typeof values[key] === "string" && values[key] !== "" ? values[key] : undefined;

/** The images that a container registry, or a stand-in, has to bring: every key that ends in "Image". */
export const imageNames = (values: Values): string[] => [
  ...new Set(
    Object.keys(values)
      .filter((key) => key.endsWith("Image"))
      .sort()
      .map((key) => textOf(values, key))
      .filter((name) => name !== undefined),
  ),
];

/** Stack names become part of container and volume names, labels and file names. */
export function checkStackName(stack: string): void {
  if (/^[a-z]([a-z0-9-]{0,28}[a-z0-9])?$/.test(stack)) return;
  throw new OpsError(
    `"${stack}" cannot be a stack's name.`,
    "Use 1 to 30 lower-case letters, digits and hyphens, beginning with a letter and not ending with a hyphen.",
    EXIT.usage,
  );
}
