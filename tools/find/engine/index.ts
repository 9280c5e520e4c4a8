/** The Docker engine: found, or installed and started. It is stopped only when it was started here. */
import { resolveDockerHost, socketPath } from "../../host/docker-host.ts";
import { ToolchainError, type Part, type PartStatus, type ToolchainContext } from "../../host/part.ts";
import { findProgram } from "../../host/path.mjs";
import { askEngine, type EngineAnswer, type EngineVersion } from "./api.ts";
import { bringUp, ensureCli, howToGetIt } from "./bring-up.ts";
import { diskSpace } from "./disk.ts";
import { isNewEnough, oldestEngine } from "./version.ts";

export { describeDiskSpace, diskSpace, judgeDiskSpace, measureDiskSpace, type DiskSpace } from "./disk.ts";
export { resolveDockerHost } from "../../host/docker-host.ts";
export { stopEngine, type StopResult } from "./stop.ts";

const NAME = "docker";

export const enginePart: Part = {
  name: NAME,

  async inspect(context) {
    const host = await resolveDockerHost(context.env);
    const answer = await askEngine(host, context.env);
    if (!answer.reached)
      return { name: NAME, way: "missing", location: host, remedy: howToGetIt(context, host, answer) };
    return { ...present(host, answer.engine), remedy: whatIsWrong(context, host, answer.engine) };
  },

  async ensure(context) {
    const host = await resolveDockerHost(context.env);
    // Another machine's engine is mostly asked by the CLI.
    if (socketPath(host) === undefined) await ensureCli(context, host);
    let answer: EngineAnswer = await askEngine(host, context.env);
    let way: PartStatus["way"] = "path";
    if (!answer.reached) {
      ({ way, answer } = await bringUp(context, host, answer));
    }
    if (!answer.reached) {
      throw new ToolchainError(
        `The Docker engine at ${host} does not answer: ${answer.detail}.`,
        howToGetIt(context, host, answer),
      );
    }
    if (!isNewEnough(answer.engine)) throw tooOld(host, answer.engine);
    if (answer.engine.os !== "" && answer.engine.os !== "linux") throw wrongKind(host, answer.engine);
    await ensureCli(context, host);
    await diskSpace(context, host);
    return { ...present(host, answer.engine), way };
  },
};

function present(host: string, engine: EngineVersion): PartStatus {
  return { name: NAME, version: engine.version, way: "path", location: host };
}

function whatIsWrong(context: ToolchainContext, host: string, engine: EngineVersion): string | undefined {
  if (!isNewEnough(engine)) return tooOld(host, engine).remedy;
  if (engine.os !== "" && engine.os !== "linux") return wrongKind(host, engine).remedy;
  if (findProgram("docker", context.env) === undefined)
    return "The engine answers, but the docker CLI is missing: install docker-cli (or docker.io).";
  return undefined;
}

function tooOld(host: string, engine: EngineVersion): ToolchainError {
  return new ToolchainError(
    `The Docker engine at ${host} is ${engine.version} (API ${engine.api}); ${oldestEngine.engine} (API ${oldestEngine.api}) or newer is needed.`,
    `Update the engine to ${oldestEngine.engine} or newer, or set DOCKER_HOST to one that is.`,
  );
}

function wrongKind(host: string, engine: EngineVersion): ToolchainError {
  return new ToolchainError(
    `The Docker engine at ${host} runs ${engine.os} containers; the stack's are linux containers.`,
    'Switch Docker Desktop to Linux containers ("Switch to Linux containers..." in its menu).',
  );
}
