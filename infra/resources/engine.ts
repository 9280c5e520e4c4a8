/** The Docker engine that the stack runs on, and how a command reaches it. */
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";

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
 * The engine from the config, else from DOCKER_HOST, else the local socket. The provider is explicit, so that a resource
 * stays on the engine where it was made, and commands and resources use the same engine.
 * @param after what has to exist before the engine answers.
 */
export function createEngine(configured: string, after: readonly pulumi.CustomResource[] = []): Engine {
  const host = configured !== "" ? configured : (process.env["DOCKER_HOST"] ?? LOCAL_SOCKET);
  return {
    host,
    provider: new docker.Provider("engine", {
      // Not known while `after` is only planned: the first preview of a bare machine must not connect to its engine.
      host: after.length === 0 ? host : pulumi.all(after.map(({ id }) => id)).apply(() => host),
    }),
    environment: { DOCKER_HOST: host },
  };
}
