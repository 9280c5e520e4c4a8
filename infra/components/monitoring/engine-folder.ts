/** Where an engine keeps its containers' logs, which its owner may have moved. */
import * as pulumi from "@pulumi/pulumi";
import { dockerCommand } from "../../resources/command.ts";
import type { Engine } from "../../resources/engine.ts";

/** Prints the engine's own folder. */
export const ENGINE_FOLDER_SCRIPT = "docker info --format '{{.DockerRootDir}}'";

/** The folder of the containers on the engine's machine. */
export function askEngineFolder(engine: Engine, parent: pulumi.Resource): pulumi.Output<string> {
  const asked = dockerCommand(
    `omniai-${pulumi.getStack()}-engine-folder`,
    { engine, script: ENGINE_FOLDER_SCRIPT, environment: {} },
    { parent },
  );
  return pulumi.interpolate`${asked.stdout}/containers`;
}
