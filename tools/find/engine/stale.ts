/** Removes what a killed engine or a crashed machine left behind, where it keeps a new engine from starting. */
import { lstatSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { ToolchainError } from "../../host/part.ts";
import { nameOf, readPidFile } from "../../host/process.mjs";
import type { EnginePlace } from "./place.ts";

/**
 * Removes stale pid files and sockets. An engine trusts a pid file as soon as any process has that pid, and waits for a
 * containerd whose socket file exists, whether anybody listens there or not.
 * @returns the pid of an engine that runs, if there is one
 */
export async function clearStale(
  place: EnginePlace,
  say: (line: string) => void,
): Promise<number | undefined> {
  const running = clearPidFile(place.pidFile, "dockerd", say);
  if (running !== undefined) return running;
  await untilGone(place.containerdPidFile, "containerd");
  clearPidFile(place.containerdPidFile, "containerd", say);
  await clearSocket(place.containerdSocket, say);
  await clearSocket(place.socket, say);
  return undefined;
}

/** How long a process may take to end after its parent, ms. */
const DYING_MS = 3000;

/**
 * The containerd of a killed engine ends a moment after it. One that still runs in that moment would be gone when the new
 * engine wants to use it. One that stays is independent of the killed engine, and is used.
 */
async function untilGone(pidFile: string, program: string): Promise<void> {
  const pid = readPidFile(pidFile);
  for (const end = Date.now() + DYING_MS; pid !== undefined && nameOf(pid) === program; await sleep(20)) {
    if (Date.now() > end) return;
  }
}

/** Removes a pid file, unless its pid really is a process of that program. @returns that pid */
export function clearPidFile(path: string, program: string, say: (line: string) => void): number | undefined {
  const pid = readPidFile(path);
  if (pid === undefined) {
    // A file that is empty or holds no pid is stale too. One that is not there does not matter.
    rmSync(path, { force: true });
    return undefined;
  }
  const name = nameOf(pid);
  if (name === program) return pid;
  say(`Removing the stale pid file ${path}: ${pid} is ${name === undefined ? "gone" : `now "${name}"`}.`);
  rmSync(path, { force: true });
  return undefined;
}

/** Removes a socket file where nobody listens. */
export async function clearSocket(path: string, say: (line: string) => void): Promise<void> {
  let kind;
  try {
    kind = lstatSync(path);
  } catch {
    return;
  }
  if (kind.isDirectory()) {
    throw new ToolchainError(
      `${path} is a folder, but the engine needs its socket there. A container that mounted the socket while no engine ran has left it.`,
      `Remove it (rmdir ${path}) and run this again.`,
    );
  }
  if (!kind.isSocket() || (await listens(path))) return;
  say(`Removing the stale socket ${path}: nobody listens there.`);
  rmSync(path, { force: true });
}

/** True when a connection is accepted. Only a refusal proves that nobody listens. */
export async function listens(path: string): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect(path);
    socket.setTimeout(1000);
    const answer = (value: boolean): void => {
      socket.destroy();
      resolve(value);
    };
    socket.once("connect", () => answer(true));
    socket.once("timeout", () => answer(true));
    socket.once("error", (error) => answer(!("code" in error && error.code === "ECONNREFUSED")));
  });
}
