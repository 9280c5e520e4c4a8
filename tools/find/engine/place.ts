/** The files and flags of an engine that is started directly, without an init system. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { LOCAL_SOCKET } from "../../host/docker-host.ts";

export interface EnginePlace {
  readonly host: string;
  readonly socket: string;
  readonly pidFile: string;
  /** The pid file of the containerd that the engine keeps for itself. */
  readonly containerdPidFile: string;
  /** The machine's own containerd. An engine that finds this file uses it, also when nobody listens there any more. */
  readonly containerdSocket: string;
  readonly recordFile: string;
  readonly logFile: string;
  /** The program's flags. */
  readonly flags: readonly string[];
  /** A command that starts the engine, for one that must not share the machine's network: ["unshare", "--net"]. */
  readonly within?: readonly string[];
}

export function recordFileIn(cacheDir: string): string {
  return join(cacheDir, "engine", "engine.json");
}

/** The machine's own engine, with its usual socket and data folder. The owner's daemon.json is not changed. */
export function machinePlace(cacheDir: string, daemonJson = "/etc/docker/daemon.json"): EnginePlace {
  const pidFile = "/var/run/docker.pid";
  const set = keysOf(daemonJson);
  const flags: string[] = [];
  // The engine refuses to start when a flag repeats a setting of the file.
  if (!set.has("hosts")) flags.push("--host", LOCAL_SOCKET);
  if (!set.has("pidfile")) flags.push("--pidfile", pidFile);
  return {
    host: LOCAL_SOCKET,
    socket: "/var/run/docker.sock",
    pidFile,
    containerdPidFile: "/var/run/docker/containerd/containerd.pid",
    containerdSocket: "/run/containerd/containerd.sock",
    recordFile: recordFileIn(cacheDir),
    logFile: join(cacheDir, "engine", "dockerd.log"),
    flags,
  };
}

function keysOf(path: string): Set<string> {
  if (!existsSync(path)) return new Set();
  try {
    const said: unknown = JSON.parse(readFileSync(path, "utf8"));
    return new Set(typeof said === "object" && said !== null ? Object.keys(said) : []);
  } catch {
    // The engine itself will say what is wrong with the file.
    return new Set();
  }
}
