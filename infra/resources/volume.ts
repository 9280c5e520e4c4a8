/** Volumes that hold what must not be lost. */
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import type { Engine } from "./engine.ts";
import { DATA_LABEL, STACK_LABEL, toLabels, WORKLOAD_LABEL } from "./labels.ts";

/**
 * A data volume. Its fixed name survives any renaming in the program, Pulumi refuses to delete it, and when the state
 * forgets it, it stays on the engine.
 */
export function createDataVolume(engine: Engine, workload: string, parent: pulumi.Resource): docker.Volume {
  const name = `omniai-${pulumi.getStack()}-${workload}-data`;
  return new docker.Volume(
    name,
    {
      name,
      labels: toLabels({
        [STACK_LABEL]: pulumi.getStack(),
        [WORKLOAD_LABEL]: workload,
        [DATA_LABEL]: "true",
      }),
    },
    { parent, provider: engine.provider, protect: true, retainOnDelete: true },
  );
}
