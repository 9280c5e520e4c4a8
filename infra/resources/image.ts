/** Images on the engine. */
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { isSwarm, type Engine } from "./engine.ts";
import { publishImage } from "./published-image.ts";

/**
 * An upstream image by the name that the config gives.
 * @returns what a workload runs: its image id, which cannot move as a name can, and shows no change on every preview. In a
 *   swarm the image's digest in the registry.
 */
export function useImage(
  engine: Engine,
  workload: string,
  name: string,
  parent: pulumi.Resource,
): pulumi.Output<string> {
  const { imageId } = new docker.RemoteImage(
    `omniai-${pulumi.getStack()}-${workload}`,
    // Kept on destroy: other stacks may use it, and a rollback may need it.
    { name, keepLocally: true },
    { parent, provider: engine.provider },
  );
  return isSwarm(engine) ? publishImage(engine, workload, imageId, parent) : imageId;
}
