/** The Docker engine that the stack runs on, and how a command reaches it. */
import * as docker from "@pulumi/docker";

/** One engine: the provider for resources and the environment for `docker` commands. */
export interface Engine {
  readonly provider: docker.Provider;
  /** The address as DOCKER_HOST writes it. */
  readonly host: string;
  /** What a `command.local.Command` that calls the docker CLI needs in its environment. */
  readonly environment: Readonly<Record<string, string>>;
}

const LOCAL_SOCKET =
  process.platform === "win32" ? "npipe:////./pipe/docker_engine" : "unix:///var/run/docker.sock";

/**
 * The engine by config, else DOCKER_HOST, else the local socket. The provider is explicit, so that a resource
 * stays on the engine it was made on, and so that commands and resources cannot part.
 */
export function createEngine(configured: string): Engine {
  const host = configured !== "" ? configured : (process.env["DOCKER_HOST"] ?? LOCAL_SOCKET);
  return {
    host,
    provider: new docker.Provider("engine", { host }),
    environment: { DOCKER_HOST: host },
  };
}
