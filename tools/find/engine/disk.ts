/** Whether the engine has enough disk space. */
import { existsSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { resolveDockerHost, socketPath } from "../../host/docker-host.ts";
import { ToolchainError, type ToolchainContext } from "../../host/part.ts";
import { engineDataRoot } from "./api.ts";

const GB = 1000 ** 3;
/** Below this the run is refused, because images, a build and a database would fill the disk half-way. */
export const REFUSE_BELOW = 3 * GB;
/** Below this the user is warned. */
export const WARN_BELOW = 10 * GB;

export interface DiskSpace {
  /** The engine's data folder. */
  readonly path: string;
  readonly freeBytes: number;
}

export type DiskVerdict = "enough" | "low" | "too little";

export function judgeDiskSpace(freeBytes: number): DiskVerdict {
  if (freeBytes < REFUSE_BELOW) return "too little";
  return freeBytes < WARN_BELOW ? "low" : "enough";
}

/** The free space on the disk of the engine's data. Undefined where it cannot be measured (remote, Docker Desktop). */
export async function measureDiskSpace(env: NodeJS.ProcessEnv, host: string): Promise<DiskSpace | undefined> {
  if (process.platform !== "linux" || socketPath(host) === undefined) return undefined;
  let path = (await engineDataRoot(host, env)) ?? "/var/lib/docker";
  // Before the first start the folder does not exist. Its parent is on the same disk.
  while (!existsSync(path) && path !== "/") path = dirname(path);
  try {
    const disk = await statfs(path);
    return { path, freeBytes: disk.bavail * disk.bsize };
  } catch {
    return undefined;
  }
}

/** Warns where space is low, and refuses where it is too little. @throws ToolchainError */
export async function diskSpace(context: ToolchainContext, host?: string): Promise<DiskSpace | undefined> {
  const space = await measureDiskSpace(context.env, host ?? (await resolveDockerHost(context.env)));
  if (space === undefined) return undefined;
  const free = `${(space.freeBytes / GB).toFixed(1)} GB`;
  const verdict = judgeDiskSpace(space.freeBytes);
  if (verdict === "too little") {
    throw new ToolchainError(
      `Only ${free} are free on the disk of ${space.path}, where the Docker engine keeps images and volumes; at least ${REFUSE_BELOW / GB} GB are needed.`,
      "Free some space (docker image prune, docker builder prune; be careful with volumes, which hold data) and run this again.",
    );
  }
  if (verdict === "low") {
    context.report.warn(
      `Only ${free} are free on the disk of ${space.path}, where the Docker engine keeps images and volumes. Free some space soon: docker image prune.`,
    );
  }
  return space;
}
