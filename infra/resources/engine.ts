/** The Docker engine that the stack runs on, and how a command reaches it. */
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";

/** What is different where the engine is the manager of a swarm. */
export interface Swarm {
  /** Where every image is taken from, `host[:port][/path]`: a node has no other way to what another node has. */
  readonly registry: string;
}

/** One engine: the provider for resources and the environment for `docker` commands. */
export interface Engine {
  readonly provider: docker.Provider;
  /** The address as DOCKER_HOST writes it. */
  readonly host: string;
  /** What a `command.local.Command` that calls the docker CLI needs in its environment. */
  readonly environment: Readonly<Record<string, string>>;
  /** Undefined where the stack is on this engine alone. */
  readonly swarm?: Swarm;
}

const LOCAL_SOCKET =
  process.platform === "win32" ? "npipe:////./pipe/docker_engine" : "unix:///var/run/docker.sock";

/**
 * The engine from the config, else from DOCKER_HOST, else the local socket. The provider is explicit, so that a resource
 * stays on the engine where it was made, and commands and resources use the same engine.
 * @param after what has to exist before the engine answers.
 */
export function createEngine(
  configured: string,
  after: readonly pulumi.CustomResource[] = [],
  swarm?: Swarm,
): Engine {
  const named = process.env["DOCKER_HOST"];
  // A preview builds nothing and reaches no engine, so that it needs nothing of this machine.
  if (configured !== "" && named !== configured && !pulumi.runtime.isDryRun())
    throw new pulumi.RunError(wrongBuilder(configured, named));
  const host = configured !== "" ? configured : (named ?? LOCAL_SOCKET);
  return {
    host,
    provider: new docker.Provider("engine", {
      // Not known while `after` is only planned: the first preview of a bare machine must not connect to its engine.
      host: after.length === 0 ? host : pulumi.all(after.map(({ id }) => id)).apply(() => host),
    }),
    environment: { DOCKER_HOST: host },
    ...(swarm === undefined ? {} : { swarm }),
  };
}

/** The plugin's builder asks DOCKER_HOST, whatever the provider says: it would build the image on an engine that does not run it. */
const wrongBuilder = (configured: string, named: string | undefined): string =>
  `omniai:dockerHost is ${configured}, but DOCKER_HOST is ${named ?? "not set"}: the service's image would be built on another engine than the stack's. ` +
  `Use npm run up (preview, …), which sets it; for the Pulumi CLI itself: export DOCKER_HOST=${configured}`;

/** Whether the engine is the manager of a swarm, on which workloads are services. */
export const isSwarm = (engine: Engine): engine is Engine & { readonly swarm: Swarm } =>
  engine.swarm !== undefined;
