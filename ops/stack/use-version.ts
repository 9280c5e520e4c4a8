/** Has a session's program deploy another version than the sources. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BUILD_VARIABLE } from "../../infra/components/backend/image.ts";
import { HOST_ACCESS_KEYS } from "../../infra/components/host/config.ts";
import type { Change, Version } from "./audit.ts";
import { mergeValues, ownKeys, readYaml, type Values } from "./config-files.ts";
import { isMapping } from "./json.ts";
import type { StackHandle } from "./open-stack.ts";
import { ROOT, type Place } from "./place.ts";
import type { Session } from "./session.ts";
import { checkedSettings, type KnownConfig } from "./settings.ts";
import { rolledBackTo } from "./versions.ts";

/** Who runs a server, and where: what it has is not where it was before. */
const SERVERS: readonly string[] = [
  ...["database", "databaseSecretUrl", "databaseAuthority"],
  ...["redis", "redisSecretUrl", "redisAuthority"],
];

/** The way to the host, where the data is, and the version of PostgreSQL, whose data only goes forward. */
const OF_THE_PRESENT: readonly string[] = [...HOST_ACCESS_KEYS, ...SERVERS, "postgresImage"];

/** Pure: a version's `config:` on the machine and the data as they are now. A version goes back; these do not. */
export function onPresentHost(config: Values, present: unknown, project: string): Values {
  const isAccess = ([key, value]: readonly [string, unknown]): boolean =>
    Object.keys(ownKeys({ [key]: value }, project)).some((own) => OF_THE_PRESENT.includes(own));
  return Object.fromEntries([
    ...Object.entries(config).filter((entry) => !isAccess(entry)),
    ...Object.entries(isMapping(present) ? present : {}).filter(isAccess),
  ]);
}

/** The config that ops knows of a version; undefined without one. */
export function knownConfig({ stack, settings }: Place, config: Values | undefined): KnownConfig | undefined {
  if (config === undefined) return undefined;
  const { project } = settings;
  const stackFile = {
    ...settings.stackFile,
    config: onPresentHost(config, settings.stackFile?.["config"], project),
  };
  const values = mergeValues(readYaml(join(ROOT, "Pulumi.yaml")), stackFile, project);
  return checkedSettings(stack, { project, stackFile, values }).config;
}

/**
 * Makes the session's program deploy this version in place of the sources.
 * @returns what its runs take in place of the handle's own options.
 */
export function useVersion(
  { settings, stack, handle, backend }: Session,
  version: Version,
): StackHandle["options"] {
  handle.program.workspace.envVars[BUILD_VARIABLE] = version.build;
  const { configFile } = handle.options;
  const present = configFile === undefined ? settings.stackFile : readYaml(configFile);
  const folder = join(backend.stateDir, "project", "rollback");
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const file = join(folder, `Pulumi.${stack}.yaml`);
  const config = onPresentHost(version.config, present?.["config"], settings.project);
  // JSON is YAML too.
  writeFileSync(file, `${JSON.stringify({ ...present, config }, null, 2)}\n`, { mode: 0o600 });
  return { ...handle.options, configFile: file };
}

/** The options for a run that must keep the version: that of the sources, or the one that was rolled back to. */
export function currentOptions(session: Session, changes: readonly Change[]): StackHandle["options"] {
  const current = rolledBackTo(changes);
  return current === undefined ? session.handle.options : useVersion(session, current);
}
