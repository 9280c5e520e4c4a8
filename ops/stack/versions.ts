/** The versions of the service that a stack can go back to: what its changes say of them, and what the engine has. */
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import type Docker from "dockerode";
import { stageContext } from "../../infra/components/backend/context.ts";
import { imageOf } from "../../infra/components/backend/image.ts";
import { unlessGone } from "../engine/connection.ts";
import type { Change, Version } from "./audit.ts";
import type { Values } from "./config-files.ts";
import { isMapping } from "./json.ts";
import type { Place } from "./place.ts";
import type { KnownConfig } from "./settings.ts";

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

const deploys = new Set(["up", "rollback", "restart"]);

/**
 * Pure: where a rollback goes that names no version. After a deploy that went wrong: to the version that still serves,
 * which clears what that deploy left behind. After `down`: to the one that served. Otherwise to the one before.
 */
export function lastGood(changes: readonly Change[]): GoodVersion | undefined {
  const [current, before] = goodVersions(changes);
  // A change that ended before it deployed anything has no `to`.
  const last = changes.findLast(
    ({ action, to }) => action === "down" || (deploys.has(action) && to !== undefined),
  );
  return last?.action === "down" || last?.result !== "succeeded" ? current : before;
}

/** Pure: the builds whose images may go: those this stack has deployed and that no stack keeps. */
export function obsoleteBuilds(own: readonly Change[], all: readonly (readonly Change[])[]): string[] {
  const kept = new Set(
    all.flatMap((changes) =>
      goodVersions(changes)
        .slice(0, KEPT_VERSIONS)
        .map(({ build }) => build),
    ),
  );
  const known = own.flatMap(({ action, to, version }) => [
    ...(deploys.has(action) && to !== undefined ? [to] : []),
    ...(version === undefined ? [] : [version.build]),
  ]);
  return [...new Set(known)].filter((build) => !kept.has(build));
}

/** The build that the sources make. */
export const sourceBuild = (root: string, config: KnownConfig): string =>
  stageContext(root, join(root, ".state", "build"), config.nodeImage ?? "").hash;

/** True when the engine still has the version's image. */
export const hasImage = async (docker: Docker, build: string): Promise<boolean> =>
  (await unlessGone(docker.getImage(imageOf(build)).inspect())) !== undefined;

/** The `config:` of the stack's file as it is committed, which a deploy of the sources is recorded with. */
export const committedConfig = ({ settings }: Place): Values => {
  const config = settings.stackFile?.["config"];
  return isMapping(config) ? config : {};
};

/** Pure: "omniai:logLevel debug → info" for each key that differs. */
export const configChanges = (from: Values, to: Values): string[] =>
  [...new Set([...Object.keys(from), ...Object.keys(to)])]
    .sort()
    .filter((key) => !isDeepStrictEqual(from[key], to[key]))
    .map((key) => `${key} ${shown(from[key])} → ${shown(to[key])}`);

const shown = (value: unknown): string => (value === undefined ? "(default)" : JSON.stringify(value));

/** Pure: the version that serves, if a rollback brought it. */
export function rolledBackTo(changes: readonly Change[]): GoodVersion | undefined {
  const [current] = goodVersions(changes);
  return current?.change.action === "rollback" ? current : undefined;
}
