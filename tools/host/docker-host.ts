/** The address of the engine, found as the docker CLI finds it. */
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

/** The context that was chosen with `docker context use` or DOCKER_CONTEXT. Undefined for the default one. */
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
    // There is no configuration, or it cannot be read. The CLI uses the default too.
    return undefined;
  }
}

/** DOCKER_HOST, else the current context's address, else the local socket. The CLI is asked only about a chosen context. */
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

/** The path of the socket or pipe, where the address is one. */
export function socketPath(host: string): string | undefined {
  if (host.startsWith("unix://")) return host.slice("unix://".length);
  if (host.startsWith("npipe://")) return host.slice("npipe://".length).replaceAll("/", "\\");
  return undefined;
}

/** True for the machine's own engine, the only one that is ever started here. */
export function isLocalDefault(host: string): boolean {
  return host === LOCAL_SOCKET || host === "unix:///run/docker.sock";
}
