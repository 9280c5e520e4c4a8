/** Reads Pulumi.yaml and Pulumi.<stack>.yaml as they are, before anybody has checked the values. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { parse } from "yaml";
import { exit, OpsError } from "../terminal/errors.ts";
import { isMapping } from "./json.ts";

/** Unchecked values by key. */
export type Values = Readonly<Record<string, unknown>>;

/** What the files say about a stack. */
export interface ConfigFiles {
  /** The project's name in Pulumi.yaml. */
  readonly project: string;
  /** Config values by key, without the project's namespace: the stack's own, else Pulumi.yaml's default. */
  readonly values: Values;
  /** Pulumi.<stack>.yaml as it is committed; undefined when the stack has no file. */
  readonly stackFile?: Values;
}

/** A YAML error ends its first line with a colon, because the lines of the file follow. */
const firstLine = (message: string): string => (message.split("\n")[0] ?? "").replace(/:$/, ".");

/** A mapping out of a YAML file. @throws OpsError that names the file */
export function readYaml(file: string): Values {
  const name = basename(file);
  let value: unknown;
  try {
    value = parse(readFileSync(file, "utf8")) ?? {};
  } catch (error) {
    throw new OpsError(
      `${name} cannot be read: ${firstLine((error as Error).message)}`,
      "Correct the file; `git diff` shows what changed in it.",
      exit.usage,
      { cause: error },
    );
  }
  if (isMapping(value)) return value;
  throw new OpsError(
    `${name} is not a mapping of keys to values.`,
    "Correct the file; `git diff` shows what changed in it.",
    exit.usage,
  );
}

/** The keys of a `config:` section without the project's namespace; keys of other namespaces are left out. */
export function ownKeys(section: unknown, project: string): Record<string, unknown> {
  if (!isMapping(section)) return {};
  const own: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(section)) {
    const colon = key.indexOf(":");
    const namespace = key.slice(0, Math.max(colon, 0));
    if (namespace === "" || namespace === project) own[key.slice(colon + 1)] = value;
  }
  return own;
}

/** True for a value that Pulumi has encrypted. */
export const isEncrypted = (value: unknown): boolean => isMapping(value) && "secure" in value;

/** Pulumi.yaml's defaults beneath the stack's own values. An encrypted value cannot be read here and is left out. */
export function mergeValues(projectFile: Values, stackFile: Values | undefined, project: string): Values {
  const values: Record<string, unknown> = {};
  for (const [key, declared] of Object.entries(ownKeys(projectFile["config"], project))) {
    const value = isMapping(declared) ? (declared["value"] ?? declared["default"]) : declared;
    if (value !== undefined) values[key] = value;
  }
  for (const [key, value] of Object.entries(ownKeys(stackFile?.["config"], project))) {
    if (isEncrypted(value)) delete values[key];
    else values[key] = value;
  }
  return values;
}

export const stackFilePath = (root: string, stack: string): string => join(root, `Pulumi.${stack}.yaml`);

/** @throws OpsError when a file cannot be read */
export function readConfigFiles(root: string, stack: string): ConfigFiles {
  const projectFile = readYaml(join(root, "Pulumi.yaml"));
  const project = projectFile["name"];
  if (typeof project !== "string") {
    throw new OpsError("Pulumi.yaml does not name the project.", "Restore the file from git.", exit.usage);
  }
  const file = stackFilePath(root, stack);
  const stackFile = existsSync(file) ? readYaml(file) : undefined;
  return { project, stackFile, values: mergeValues(projectFile, stackFile, project) };
}

/** Every default of Pulumi.yaml, for a stack that has no file yet. */
export function readDefaults(root: string): ConfigFiles {
  const { project } = readConfigFiles(root, "");
  return { project, values: mergeValues(readYaml(join(root, "Pulumi.yaml")), undefined, project) };
}

/** The stacks that have a file here. */
export const stackFiles = (root: string): string[] =>
  readdirSync(root)
    .map((name) => /^Pulumi\.(.+)\.yaml$/.exec(name)?.[1])
    .filter((name) => name !== undefined)
    .sort();
