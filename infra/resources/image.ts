/** Images on the engine. */
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import type { Engine } from "./engine.ts";

/**
 * An upstream image by the name that the config gives.
 * @returns its image id: unlike a name it cannot move, and it shows no change on every preview.
 */
export function useImage(
  engine: Engine,
  workload: string,
  name: string,
  parent: pulumi.Resource,
): pulumi.Output<string> {
  return new docker.RemoteImage(
    `omniai-${pulumi.getStack()}-${workload}`,
    // Kept on destroy: other stacks may use it, and a rollback may need it.
    { name, keepLocally: true },
    { parent, provider: engine.provider },
  ).imageId;
}
