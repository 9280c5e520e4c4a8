/** Whether a machine can carry a stack, asked before anything is touched. */
import type Docker from "dockerode";
import { listContainers } from "../../engine/containers.ts";
import { listVolumes } from "../../engine/volumes.ts";
import { OpsError } from "../../terminal/errors.ts";
import { isLive } from "./old-stack.ts";

/** What an engine says of its machine. */
export interface Machine {
  readonly id: string;
  readonly name: string;
  readonly architecture: string;
  /** Bytes. */
  readonly memory: number;
  readonly cpus: number;
}

export async function machineOf(docker: Docker): Promise<Machine> {
  const { ID, Name, Architecture, MemTotal, NCPU } = (await docker.info()) as Record<string, never>;
  return {
    id: ID ?? "",
    name: Name ?? "",
    architecture: Architecture ?? "",
    memory: MemTotal ?? 0,
    cpus: NCPU ?? 0,
  };
}

/** @param id of the engine when the move began; "" for one without an id. @throws OpsError where an address leads to another one by now */
export async function checkSame(docker: Docker, id: string | undefined, where: string): Promise<void> {
  const found = await machineOf(docker);
  if (!id || found.id === "" || found.id === id) return;
  throw new OpsError(
    `${where} leads to another engine ("${found.name}", ${found.id}) than when the move began (${id}). Nothing was changed.`,
    "Look where that address leads (DOCKER_HOST, ~/.ssh/config), and run the command again.",
  );
}

/** What the stack takes where it is. */
export interface Load {
  /** Of the limits of its containers that are not over, together, in bytes. Of one without a limit nothing. */
  readonly memory: number;
  /** Of the data that is still to come, in bytes; undefined where an engine does not say. */
  readonly data: number | undefined;
}

/** @param sizes of the volumes on the old engine. @param there what an earlier try has brought, on the new one. */
export const missingBytes = (
  volumes: readonly string[],
  sizes: ReadonlyMap<string, number>,
  there: ReadonlyMap<string, number>,
): number =>
  volumes.reduce((sum, name) => sum + Math.max(0, (sizes.get(name) ?? 0) - (there.get(name) ?? 0)), 0);

export async function memoryOf(docker: Docker, stack: string): Promise<number> {
  let sum = 0;
  // One that has ended for good takes none.
  for (const { id } of (await listContainers(docker, stack)).filter(isLive))
    sum += (await docker.getContainer(id).inspect()).HostConfig.Memory ?? 0;
  return sum;
}

/** Room beside the data, for images, logs and PostgreSQL's own growth, in bytes. */
const SPARE = 3e9;
const gb = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`;

/** Pure: every reason why a stack cannot go from one machine to the other. @param free bytes; undefined where nobody can tell */
export function obstacles(from: Machine, to: Machine, load: Load, free: number | undefined): string[] {
  return [
    ...(to.id !== "" && to.id === from.id ? ["it is the machine on which the stack is"] : []),
    ...(to.architecture === from.architecture
      ? []
      : [`its processor is ${to.architecture}, and the stack's images and data are of ${from.architecture}`]),
    ...(to.memory >= Math.min(load.memory, from.memory)
      ? []
      : [`it has ${gb(to.memory)} of memory, and the stack's containers may take ${gb(load.memory)}`]),
    ...(free === undefined || load.data === undefined || free >= load.data + SPARE
      ? []
      : [`its disk has ${gb(free)} free, and ${gb(load.data)} of data need ${gb(load.data + SPARE)}`]),
  ];
}

/**
 * Pure: what the operator should know of a machine that carries the stack nonetheless. Limits may be more than the old machine has
 * as well: not every container takes all that it may.
 */
export const describeTightMemory = (to: Machine, { memory }: Load): string | undefined =>
  to.memory >= memory
    ? undefined
    : `The new machine has ${gb(to.memory)} of memory, and the stack's containers may take ${gb(memory)} where all take what they may.`;

/** What is there of a stack of this name. A move that was begun here has made it; anything else is somebody's. @throws OpsError */
export async function refuseOthers(docker: Docker, stack: string, where: string): Promise<void> {
  const containers = (await listContainers(docker, stack)).map(({ name }) => `container ${name}`);
  const volumes = (await listVolumes(docker, stack)).map(({ name }) => `volume ${name}`);
  const there = [...containers, ...volumes];
  if (there.length === 0) return;
  throw new OpsError(
    `${where} has something of a stack of this name already: ${there.join(", ")}. Nothing was changed.`,
    "Look whose it is. What nobody needs is removed there by hand (docker rm, docker volume rm); then move again.",
  );
}
