/** The docker CLI, pointed at one engine. */
import { resolveDockerHost } from "./docker-host.ts";
import { ToolchainError, type ToolchainContext } from "./part.ts";
import { findProgram } from "./path.mjs";
import { type RunOptions, type RunResult, run } from "./run.ts";

/** The CLI of one engine. */
export interface DockerCli {
  readonly host: string;
  readonly env: NodeJS.ProcessEnv;
  run(args: readonly string[], options?: RunOptions): Promise<RunResult>;
}

export async function dockerAt(context: ToolchainContext, host: string): Promise<DockerCli> {
  const program = findProgram("docker", context.env);
  if (program === undefined) {
    throw new ToolchainError(
      "The docker CLI is not on PATH.",
      "Install docker-cli (docker.io on Debian 12) or Docker Desktop, and run this again.",
    );
  }
  // Every engine has the classic builder. BuildKit needs a plugin that a bare machine lacks.
  const env: NodeJS.ProcessEnv = { ...context.env, DOCKER_BUILDKIT: "0", DOCKER_CLI_HINTS: "false" };
  // An address from a docker context is not set here, because the context may also have certificates.
  if ((await resolveDockerHost(context.env)) !== host) env["DOCKER_HOST"] = host;
  return {
    host,
    env,
    run: (args, options) => run(program, args, { ...options, env }),
  };
}
