/**
 * What ops has to know of a stack's config before Pulumi runs: the image names to have ready, the ports to look
 * at, the engine; and, by the program's own rules, whether the config can stand.
 */
import fs from "node:fs";
import path from "node:path";
import { parse } from "yaml";
import { environmentWith, typedValue } from "../../infra/config/config.ts";
import { ConfigError, findProblems, foreignProblems, weakness } from "../../infra/config/problems.ts";
import { EXIT, OpsError } from "../terminal/errors.ts";

export type Values = Readonly<Record<string, unknown>>;

export interface Settings {
  /** The project's name in Pulumi.yaml. */
  readonly project: string;
  /** Config values by key, without the project's namespace: the stack's, else the default. */
  readonly values: Values;
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
    values: mergeValues(projectFile, stackFile, project),
  };
}

/** Own keys of the stack whose whole value is a secret: there, but not to be read here. */
const secretKeys = (stackFile: Values | undefined, project: string): Set<string> =>
  new Set(
    Object.entries(ownKeys(stackFile?.["config"], project))
      .filter(([, value]) => isSecret(value))
      .map(([key]) => key),
  );

const isSecret = (value: unknown): boolean => isRecord(value) && "secure" in value;

/** Secrets within a longer value stand as a word: their place is what matters here. */
function withoutSecrets(value: unknown): unknown {
  if (isSecret(value)) return "secret";
  if (Array.isArray(value)) return value.map(withoutSecrets);
  if (!isRecord(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, withoutSecrets(inner)]));
}

/** Whether the value at a path is encrypted. A config that Pulumi encrypted as a whole does not get this far. */
const isEncryptedAt = (values: Values, path: readonly string[]): boolean =>
  isSecret(path.reduce<unknown>((value, part) => (value as Values | undefined)?.[part], values));

/**
 * The whole config, checked by the program's own rules before Pulumi runs, which stops at the first value of a wrong
 * type: so wrong types, ranges, unknown keys and contradictions come in one error, and before any tool is needed.
 * @throws OpsError
 */
export function checkConfig(stack: string, settings: Settings): void {
  const { values, stackFile, project } = settings;
  const raw = Object.fromEntries(
    Object.entries(values).map(([key, value]) => [key, typedValue(key, withoutSecrets(value))]),
  );
  const { problems: found } = findProblems(raw, {
    hidden: secretKeys(stackFile, project),
    isEncrypted: (path) => isEncryptedAt(values, path),
    environment: environmentOf(stackFile),
  });
  const config = isRecord(stackFile?.["config"]) ? stackFile["config"] : {};
  const foreign = foreignProblems(config, (key) => isSecret(config[key]));
  const problems = [...found, ...weakness(stack, raw["environment"]), ...foreign];
  if (problems.length === 0) return;
  throw new OpsError(
    new ConfigError(stack, problems).message,
    `Correct Pulumi.${stack}.yaml; Pulumi.yaml says what each key means.`,
    EXIT.usage,
  );
}

/** With what a provider's own key of the stack's file stands for. It may be encrypted: that it is there has to do. */
const environmentOf = (stackFile: Values | undefined): NodeJS.ProcessEnv => {
  const config = stackFile?.["config"];
  const isThere = isRecord(config) && config["cloudflare:apiToken"] !== undefined;
  return environmentWith(isThere ? { "cloudflare:apiToken": "of the stack's file" } : {});
};

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

/** The keys that name an image: every one that ends in "Image". */
export const imageKeys = (values: Values): string[] =>
  Object.keys(values)
    .filter((key) => key.endsWith("Image") && textOf(values, key) !== undefined)
    .sort();

export const isOn = (values: Values, key: string): boolean => String(values[key]) === "true";

/** Images that only a stack with the feature needs, by config key. */
const IMAGE_OF_FEATURE: Readonly<Record<string, string>> = { cloudflaredImage: "tunnelEnabled" };

/** The images that a container registry, or a stand-in, has to bring: those in use. */
export const imageNames = (values: Values): string[] => [
  ...new Set(
    imageKeys(values)
      .filter((key) => IMAGE_OF_FEATURE[key] === undefined || isOn(values, IMAGE_OF_FEATURE[key]))
      .map((key) => textOf(values, key))
      .filter((name) => name !== undefined),
  ),
];

/** True when the edge will listen on the host; the program decides it in the same way (infra/config/public-access.ts). */
export const publishesPorts = (values: Values): boolean =>
  values["publishPorts"] === "auto" ? !isOn(values, "tunnelEnabled") : values["publishPorts"] !== "never";

/** Stack names become part of container and volume names, labels and file names. */
export function checkStackName(stack: string): void {
  if (/^[a-z]([a-z0-9-]{0,28}[a-z0-9])?$/.test(stack)) return;
  throw new OpsError(
    `"${stack}" cannot be a stack's name.`,
    "Use 1 to 30 lower-case letters, digits and hyphens, beginning with a letter and not ending with a hyphen.",
    EXIT.usage,
  );
}
