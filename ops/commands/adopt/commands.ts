/**
 * Which of the program's commands count as carried out. A command that is in the state runs again only when something
 * about it changes, so one that is taken for carried out and was not is never carried out.
 */
import type { ContainerInspectInfo } from "dockerode";
import { ENGINE_FOLDER_SCRIPT } from "../../../infra/components/monitoring/engine-folder.ts";
import { ENGINE_SCRIPT } from "../../../infra/resources/engine-record.ts";
import { GATE_SCRIPT } from "../../../infra/resources/gate.ts";
import { claimName, DATA_WORKLOADS } from "../../../infra/resources/volume.ts";
import { isMapping } from "../../stack/json.ts";
import { nameOf } from "../../stack/state.ts";
import { isHealthy } from "./candidates.ts";
import { hasSecret, type Planned } from "./entries.ts";

/** What the engine says of itself, as far as commands have asked for it. */
export interface EngineFacts {
  readonly ID: string;
  readonly Name: string;
  readonly DockerRootDir: string;
}

/** Where a stack is. */
export interface Surroundings {
  readonly stack: string;
  readonly containers: readonly ContainerInspectInfo[];
  readonly engine: EngineFacts;
}

/**
 * Pure: what a command printed when it was carried out. Undefined for one that the next update has to carry out: whoever
 * cannot tell that it was done for these inputs has it done again.
 */
export function carriedOut(
  { urn, inputs }: Planned,
  { stack, containers, engine }: Surroundings,
): string | undefined {
  const claims = DATA_WORKLOADS.map((workload) => claimName(stack, workload));
  // Its identity is known here only where it was read in the volume. To be claimed anew is for a volume that has none.
  if (claims.includes(nameOf(urn))) return "";
  switch (inputs["create"]) {
    case ENGINE_SCRIPT:
      return JSON.stringify({ id: engine.ID, name: engine.Name });
    case ENGINE_FOLDER_SCRIPT:
      return engine.DockerRootDir;
    case GATE_SCRIPT: {
      const environment = inputs["environment"];
      const id = isMapping(environment) ? environment["CONTAINER"] : undefined;
      return containers.some((one) => one.Id === id && isHealthy(one)) ? "" : undefined;
    }
    default:
      // The update sees another secret than the one that stands here, and runs it once more.
      return hasSecret(inputs) ? "" : undefined;
  }
}
