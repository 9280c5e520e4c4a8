/** The versions of the service that can be gone back to: what the audit knows, and what the engine has of it. */
import fs from "node:fs";
import path from "node:path";
import { isDeepStrictEqual } from "node:util";
import type Docker from "dockerode";
import { stageContext } from "../../infra/components/backend/context.ts";
import { BUILD_VARIABLE, imageOf } from "../../infra/components/backend/image.ts";
import { auditedStacks, readChanges, type Change, type Version } from "./audit.ts";
import { unlessGone } from "../engine/containers.ts";
import type { Place, Session } from "./session.ts";
import { readYaml, textOf, type Values } from "./settings.ts";
import type { StackHandle } from "./open-stack.ts";

/** How many good versions keep their image, the current one included. */
export const KEPT_VERSIONS = 5;

/** A version, and the change that brought it last. */
export interface GoodVersion extends Version {
  readonly change: Change;
}

/** Pure: the good versions, the newest first, each once. The first is the one that serves. */
export function goodVersions(changes: readonly Change[]): GoodVersion[] {
  const versions: GoodVersion[] = [];
  for (const change of changes.toReversed()) {
    const { version } = change;
    if (version === undefined || versions.some(({ build }) => build === version.build)) continue;
    versions.push({ ...version, change });
  }
  return versions;
}

const DEPLOYS = new Set(["up", "rollback", "restart"]);

/**
 * Pure: where a rollback goes that names no version. After a deploy that went wrong: to the version that serves still,
 * without what that deploy left behind. After `down`: to the one that served. Else to the one before.
 */
export function lastGood(changes: readonly Change[]): GoodVersion | undefined {
  const [current, before] = goodVersions(changes);
  // What ended before it deployed anything has no `to`.
  const last = changes.findLast(
    ({ action, to }) => action === "down" || (DEPLOYS.has(action) && to !== undefined),
  );
  return last?.action === "down" || last?.result !== "succeeded" ? current : before;
}

/** Pure: the builds whose images may go: known to this stack, and not among the kept ones of any. */
export function obsoleteBuilds(own: readonly Change[], all: readonly (readonly Change[])[]): string[] {
  const kept = new Set(
    all.flatMap((changes) =>
      goodVersions(changes)
        .slice(0, KEPT_VERSIONS)
        .map(({ build }) => build),
    ),
  );
  const known = own.flatMap(({ action, to, version }) => [
    ...(DEPLOYS.has(action) && to !== undefined ? [to] : []),
    ...(version === undefined ? [] : [version.build]),
  ]);
  return [...new Set(known)].filter((build) => !kept.has(build));
}

/** The build that the sources make. */
export const sourceBuild = (root: string, values: Values): string =>
  stageContext(root, path.join(root, ".state", "build"), textOf(values, "nodeImage") ?? "").hash;

/** True when the engine still has the version's image. */
export const hasImage = async (docker: Docker, build: string): Promise<boolean> =>
  (await unlessGone(docker.getImage(imageOf(build)).inspect())) !== undefined;

/** Removes the images of versions that nobody goes back to. One that a container still uses stays. */
export async function removeObsolete({ docker, stack, backend }: Session): Promise<void> {
  const all = auditedStacks(backend.stateDir).map((name) => readChanges(backend.stateDir, name));
  for (const build of obsoleteBuilds(readChanges(backend.stateDir, stack), all)) {
    await docker
      .getImage(imageOf(build))
      .remove()
      .catch(() => undefined);
  }
}

/** What a deploy of the sources, as they are now, would be recorded as. */
export const configOf = ({ settings }: Place): Values => {
  const config = settings.stackFile?.["config"];
  return typeof config === "object" && config !== null ? (config as Values) : {};
};

/** Pure: "omniai:logLevel debug → info" for each key that differs. */
export const configChanges = (from: Values, to: Values): string[] =>
  [...new Set([...Object.keys(from), ...Object.keys(to)])]
    .sort()
    .filter((key) => !isDeepStrictEqual(from[key], to[key]))
    .map((key) => `${key} ${shown(from[key])} → ${shown(to[key])}`);

const shown = (value: unknown): string => (value === undefined ? "(default)" : JSON.stringify(value));

/**
 * Makes the program deploy this version in place of the sources, until the process ends.
 * @returns what its runs take in place of the handle's own options.
 */
export function pin({ settings, stack, handle, backend }: Session, version: Version): StackHandle["options"] {
  process.env[BUILD_VARIABLE] = version.build;
  const { configFile } = handle.options;
  const present = configFile === undefined ? settings.stackFile : readYaml(configFile);
  const folder = path.join(backend.stateDir, "project", "rollback");
  fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
  const file = path.join(folder, `Pulumi.${stack}.yaml`);
  // JSON is YAML too.
  fs.writeFileSync(file, `${JSON.stringify({ ...present, config: version.config }, null, 2)}\n`, {
    mode: 0o600,
  });
  return { ...handle.options, configFile: file };
}

/** The options for a run that must not change the version: of the sources, or of what was rolled back to. */
export function currentOptions(session: Session): StackHandle["options"] {
  const current = rolledBackTo(readChanges(session.backend.stateDir, session.stack));
  return current === undefined ? session.handle.options : pin(session, current);
}

/** Pure: the version that serves, if a rollback brought it. */
export function rolledBackTo(changes: readonly Change[]): GoodVersion | undefined {
  const [current] = goodVersions(changes);
  return current?.change.action === "rollback" ? current : undefined;
}
