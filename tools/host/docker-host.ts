/** Where the engine is asked: the same answer as the docker CLI's own. */
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { findProgram } from "./path.mjs";
import { run } from "./run.ts";

export const LOCAL_SOCKET = "unix:///var/run/docker.sock";
const LOCAL_PIPE = "npipe:////./pipe/docker_engine";

/** The engine's address where nothing says otherwise. */
export function defaultHost(platform: NodeJS.Platform = process.platform): string {
  return platform === "win32" ? LOCAL_PIPE : LOCAL_SOCKET;
}

/** The context that a person chose with `docker context use` or DOCKER_CONTEXT; undefined for the default one. */
export function chosenContext(env: NodeJS.ProcessEnv): string | undefined {
  const named = env["DOCKER_CONTEXT"];
  if (named !== undefined && named !== "") return named === "default" ? undefined : named;
  const folder = env["DOCKER_CONFIG"] ?? join(env["HOME"] ?? homedir(), ".docker");
  try {
    const config: unknown = JSON.parse(readFileSync(join(folder, "config.json"), "utf8"));
    if (typeof config !== "object" || config === null || !("currentContext" in config)) return undefined;
    const current = config.currentContext;
    return typeof current === "string" && current !== "" && current !== "default" ? current : undefined;
  } catch {
    // No configuration, or none that can be read: the CLI would use the default too.
    return undefined;
  }
}

/** DOCKER_HOST, else the current context's, else the local socket. The CLI is asked only where a context was chosen. */
export async function resolveDockerHost(env: NodeJS.ProcessEnv): Promise<string> {
  const named = env["DOCKER_HOST"];
  if (named !== undefined && named !== "") return named;
  if (chosenContext(env) !== undefined) {
    const docker = findProgram("docker", env);
    if (docker !== undefined) {
      const answer = await run(docker, ["context", "inspect", "--format", "{{.Endpoints.docker.Host}}"], {
        env,
        timeoutMs: 5000,
      });
      const host = answer.stdout.trim();
      if (answer.code === 0 && host !== "") return host;
    }
  }
  return defaultHost();
}

/** The socket or pipe of an address, where it is one. */
export function socketPath(host: string): string | undefined {
  if (host.startsWith("unix://")) return host.slice("unix://".length);
  if (host.startsWith("npipe://")) return host.slice("npipe://".length).replaceAll("/", "\\");
  return undefined;
}

/** True for the one address where an engine may be started by us: the machine's own. */
export function isLocalDefault(host: string): boolean {
  return host === LOCAL_SOCKET || host === "unix:///run/docker.sock";
}
