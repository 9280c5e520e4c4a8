/**
 * A stack's config as ops needs it before Pulumi runs: typed and checked by the program's own rules
 * (infra/config). What is encrypted or wrong is missing from it, so that nobody acts on a guess.
 */
import {
  ConfigError,
  findProblems,
  foreignProblems,
  weakness,
  type ConfigProblem,
} from "../../infra/config/problems.ts";
import { isMonitored, MONITORING_IMAGES } from "../../infra/components/monitoring/config.ts";
import { hasBackups } from "../../infra/components/backup/config.ts";
import { publishesPorts } from "../../infra/config/public-access.ts";
import { configSchema, type StackConfig } from "../../infra/config/schema.ts";
import type { SecretText } from "../../infra/config/secrets.ts";
import { environmentWith, typedValue } from "../../infra/config/values.ts";
import { exit, OpsError } from "../terminal/errors.ts";
import { isEncrypted, ownKeys, readConfigFiles, type ConfigFiles, type Values } from "./config-files.ts";
import { isMapping } from "./json.ts";

/** The keys that are a secret, and `providers`, which holds some. Ops needs only to know that they are there. */
type SecretKey =
  | "providers"
  | { [Key in keyof StackConfig]: StackConfig[Key] extends SecretText ? Key : never }[keyof StackConfig];

/** The config without its secrets. A key is missing when its value is encrypted or wrong. */
export type KnownConfig = Readonly<Partial<Omit<StackConfig, SecretKey>>>;

export interface Settings extends Pick<ConfigFiles, "project" | "stackFile"> {
  readonly config: KnownConfig;
  /** Everything that the program would refuse. */
  readonly problems: readonly ConfigProblem[];
  /** True where the stack has a key of its own to log in to its host (omniai:hostPrivateKey). */
  readonly hasLoginKey: boolean;
}

/** The settings of a stack of this checkout. @throws OpsError when a file cannot be read */
export const readSettings = (root: string, stack: string): Settings =>
  checkedSettings(stack, readConfigFiles(root, stack));

/** Pure but for the environment, where tokens may come from: the config with all that is wrong in it. */
export function checkedSettings(stack: string, { project, values, stackFile }: ConfigFiles): Settings {
  const raw = Object.fromEntries(
    Object.entries(values).map(([key, value]) => [key, typedValue(key, withoutSecrets(value))]),
  );
  const section = stackFile?.["config"];
  const config = isMapping(section) ? section : {};
  const own = ownKeys(config, project);
  const found = findProblems(raw, {
    hidden: new Set(Object.keys(own).filter((key) => isEncrypted(own[key]))),
    isEncrypted: (path) => isEncryptedAt(values, path),
    environment: environmentOf(config),
  });
  const foreign = foreignProblems(config, (key) => isEncrypted(config[key]));
  return {
    project,
    stackFile,
    config: found.config,
    problems: [...found.problems, ...weakness(stack, raw["environment"]), ...foreign],
    hasLoginKey: isEncrypted(own["hostPrivateKey"]),
  };
}

/** Whether the value at a path, whose first part is the key, is encrypted. */
const isEncryptedAt = (values: Values, path: readonly string[]): boolean =>
  isEncrypted(path.reduce<unknown>((value, part) => (value as Values | undefined)?.[part], values));

/** A secret within a longer value becomes a word: what matters here is that it is there. */
function withoutSecrets(value: unknown): unknown {
  if (isEncrypted(value)) return "secret";
  if (Array.isArray(value)) return value.map(withoutSecrets);
  if (!isMapping(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, withoutSecrets(inner)]));
}

/** A provider's own key of the stack's file counts like the variable it stands for, even when it is encrypted. */
const environmentOf = (config: Values): NodeJS.ProcessEnv =>
  environmentWith(
    config["cloudflare:apiToken"] === undefined ? {} : { "cloudflare:apiToken": "of the stack's file" },
  );

/**
 * Refuses a config that the program would refuse, before any tool is needed and with every problem at once; Pulumi
 * itself stops at the first value of a wrong type. @throws OpsError
 */
export function checkConfig(stack: string, { problems }: Settings): void {
  if (problems.length === 0) return;
  throw new OpsError(
    new ConfigError(stack, problems).message,
    `Correct Pulumi.${stack}.yaml; Pulumi.yaml says what each key means.`,
    exit.usage,
  );
}

/**
 * The engine that the config names; empty when it names none. Commands remove containers on this engine, so a name that
 * cannot be read is an error and never "this machine's engine". @throws OpsError
 */
export function configuredEngine(stack: string, { config }: Settings): string {
  if (config.dockerHost !== undefined) return config.dockerHost;
  throw new OpsError(
    `omniai:dockerHost of stack ${stack} is encrypted or is no address, so the engine of this stack is not known.`,
    `Write it into Pulumi.${stack}.yaml in the clear, for example ssh://deploy@HOST; leave it out for this machine's engine.`,
    exit.usage,
  );
}

type ImageKey = Extract<keyof StackConfig, `${string}Image`>;

/** The keys that name an image. */
const IMAGE_KEYS = Object.keys(configSchema.shape)
  .filter((key): key is ImageKey => key.endsWith("Image"))
  .sort();

/** The image of every key that has one. */
export const namedImages = (config: KnownConfig): { readonly key: ImageKey; readonly name: string }[] =>
  IMAGE_KEYS.flatMap((key) => {
    const name = config[key];
    return name === undefined ? [] : [{ key, name }];
  });

/** Whether a stack has no use for the image of a key. */
function isUnused(key: ImageKey, stack: string, config: KnownConfig): boolean {
  if (key === "cloudflaredImage") return config.tunnelEnabled !== true;
  if (key === "certbotImage") return config.tls !== "acme";
  const { monitoring = "auto", environment = "", backups = "auto", database, offsiteBucket } = config;
  // The backup room is made from both, whoever runs the servers.
  const isElsewhere = { postgresImage: database, redisImage: config.redis };
  if (key === "postgresImage" || key === "redisImage")
    return (
      isElsewhere[key] === "external" && !hasBackups(stack, { backups, environment, database, offsiteBucket })
    );
  return MONITORING_IMAGES.some((one) => one === key) && !isMonitored(stack, { monitoring, environment });
}

/**
 * Pure: the images that have to be on the engine, each once: those of a tunnel or of monitoring only where there is one.
 * @param builds false for a deploy of an image that is there, which needs none to build it from.
 */
export const imageNames = (stack: string, config: KnownConfig, builds = true): string[] => [
  ...new Set(
    namedImages(config)
      .filter(({ key }) => !isUnused(key, stack, config) && (builds || key !== "nodeImage"))
      .map(({ name }) => name),
  ),
];

/** Pure: the host ports that the edge will publish. A port that cannot stand is left to the config's own check. */
export function wantedPorts({
  publishPorts = "auto",
  tunnelEnabled = false,
  httpPort,
  httpsPort,
}: KnownConfig): { readonly key: "httpPort" | "httpsPort"; readonly port: number }[] {
  if (!publishesPorts({ publishPorts, tunnelEnabled })) return [];
  return [
    ...(httpPort === undefined ? [] : [{ key: "httpPort" as const, port: httpPort }]),
    ...(httpsPort === undefined ? [] : [{ key: "httpsPort" as const, port: httpsPort }]),
  ];
}

/** Stack names become part of container and volume names, labels and file names. @throws OpsError */
export function checkStackName(stack: string): void {
  if (/^[a-z]([a-z0-9-]{0,28}[a-z0-9])?$/.test(stack)) return;
  throw new OpsError(
    `"${stack}" cannot be the name of a stack.`,
    "Use 1 to 30 lower-case letters, digits and hyphens; begin with a letter and do not end with a hyphen.",
    exit.usage,
  );
}
