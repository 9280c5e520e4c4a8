/** Whether the engine has enough disk space. */
import { existsSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { resolveDockerHost, socketPath } from "../../host/docker-host.ts";
import { ToolchainError, type ToolchainContext } from "../../host/part.ts";
import { run } from "../../host/run.ts";
import { parseSshAddress, sshLogin, type SshAddress } from "../../host/ssh-address.ts";
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

/**
 * The free space on the disk of the engine's data. Undefined where it cannot be measured (over TCP, in Docker Desktop, with an
 * SSH key that may only reach the engine).
 */
export async function measureDiskSpace(env: NodeJS.ProcessEnv, host: string): Promise<DiskSpace | undefined> {
  const address = parseSshAddress(host);
  if (address !== undefined) return await measureOverSsh(env, host, address);
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

async function measureOverSsh(
  env: NodeJS.ProcessEnv,
  host: string,
  address: SshAddress,
): Promise<DiskSpace | undefined> {
  const path = await engineDataRoot(host, env);
  if (path === undefined) return undefined;
  const quoted = `'${path.replaceAll("'", `'\\''`)}'`;
  const args = ["-o", "BatchMode=yes", ...sshLogin(address), "--", address.host, `LC_ALL=C df -Pk ${quoted}`];
  const { code, stdout } = await run("ssh", args, { env, timeoutMs: 10_000 });
  const kilobytes = code === 0 ? freeKilobytes(stdout) : undefined;
  return kilobytes === undefined ? undefined : { path, freeBytes: kilobytes * 1024 };
}

/** Pure: what `df -Pk` says is free. A device's name may have blanks, the folder as well; the numbers between them do not. */
export function freeKilobytes(said: string): number | undefined {
  const found = /\s\d+\s+\d+\s+(\d+)\s+\d+%\s/.exec(said.split("\n")[1] ?? "");
  return found === null ? undefined : Number(found[1]);
}

/** Pure: what a person is told about the space; undefined where there is enough. */
export function describeDiskSpace({
  path,
  freeBytes,
}: DiskSpace): { what: string; remedy: string } | undefined {
  const verdict = judgeDiskSpace(freeBytes);
  if (verdict === "enough") return undefined;
  const where = `Only ${(freeBytes / GB).toFixed(1)} GB are free on the disk of ${path}, where the Docker engine keeps images and volumes`;
  return verdict === "low"
    ? { what: `${where}.`, remedy: "Free some space soon: docker image prune." }
    : {
        what: `${where}; at least ${REFUSE_BELOW / GB} GB are needed for a deploy.`,
        remedy:
          "Free some space (docker image prune, docker builder prune; be careful with volumes, which hold data) and run this again.",
      };
}

/**
 * Warns where space is low. Where it is too little, refuses a run that would bring more to the engine, and warns of it before
 * any other: who takes a stack down or back is helped by that, and not by a refusal.
 * @throws ToolchainError
 */
export async function diskSpace(context: ToolchainContext, host?: string): Promise<DiskSpace | undefined> {
  const space = await measureDiskSpace(context.env, host ?? (await resolveDockerHost(context.env)));
  if (space === undefined) return undefined;
  const problem = describeDiskSpace(space);
  if (problem === undefined) return space;
  if (judgeDiskSpace(space.freeBytes) === "too little" && context.fillsDisk !== false)
    throw new ToolchainError(problem.what, problem.remedy);
  context.report.warn(`${problem.what} ${problem.remedy}`);
  return space;
}
