/** Rule host-capacity. When the limits promise more memory than the host has, the kernel kills a process. */
import { BACKGROUND_SHARES } from "../../infra/config/cpus.ts";
import {
  CONTAINER,
  SERVICE,
  stackRule,
  type ContainerProps,
  type Declared,
  type ServiceProps,
} from "../rule.ts";
import { isMandatory } from "../../infra/config/policy-settings.ts";

/** What runs in the background takes cores that nobody else wants: its limit takes none from the others. */
const givesWay = ({ cpuShares = 0 }: ContainerProps): boolean =>
  cpuShares > 0 && cpuShares <= BACKGROUND_SHARES;

/** The limits of all containers: once, and with every replaceable one twice, as it is while a deploy runs. */
function add(containers: readonly Declared[]): { memory: number; peak: number; cpus: number } {
  let [memory, peak, cpus] = [0, 0, 0];
  for (const { props, options } of containers) {
    const container = props as unknown as ContainerProps;
    memory += container.memory ?? 0;
    peak += (container.memory ?? 0) * (options.deleteBeforeReplace === false ? 2 : 1);
    cpus += givesWay(container) ? 0 : Number(container.cpus ?? 0);
  }
  return { memory, peak, cpus };
}

const MIB = 1024 * 1024;
const CORE = 1e9;

/**
 * The limits of all tasks. While a deploy runs, each can have its successor beside it. A service on every node of the edge
 * counts once: how many there are only the swarm knows.
 */
function addTasks(services: readonly Declared[]): { memory: number; peak: number; cpus: number } {
  let [memory, peak, cpus] = [0, 0, 0];
  for (const { props } of services) {
    const { mode, taskSpec, updateConfig } = props as unknown as ServiceProps;
    const tasks = mode?.replicated?.replicas ?? 1;
    const { memoryBytes = 0, nanoCpus = 0 } = taskSpec.resources?.limits ?? {};
    memory += (tasks * memoryBytes) / MIB;
    peak += ((tasks * memoryBytes) / MIB) * (updateConfig?.order === "start-first" ? 2 : 1);
    cpus += (tasks * nanoCpus) / CORE;
  }
  return { memory, peak, cpus };
}

/** Shares divide what there is and limit nothing: how much such a container takes is not known, which is not 0. */
const isUnbounded = ({ props }: Declared): boolean =>
  !(Number((props as unknown as ContainerProps).cpus ?? 0) > 0);

export const hostCapacity = stackRule({
  name: "host-capacity",
  title:
    "The memory limits of all containers fit into the host, also while a deploy runs, and so do their CPU limits.",
  source: "pulumi-docker: replicas stand beside their predecessors during a deploy",
  remedy:
    "Set omniai:hostMemory (MiB) and omniai:hostCpus to the host's size, and lower the limits of the workloads until they fit; the largest is omniai:edgeMemory, which fewer clients need less of.",
  *check(resources, { environment, hostMemory, hostCpus }) {
    const containers = resources.filter(({ type }) => type === CONTAINER);
    const parts = [add(containers), addTasks(resources.filter(({ type }) => type === SERVICE))];
    const sum = (key: "memory" | "peak" | "cpus"): number =>
      Math.round(parts.reduce((total, part) => total + part[key], 0) * 1000) / 1000;
    const [memory, peak, cpus] = [sum("memory"), sum("peak"), sum("cpus")];
    if (hostMemory === 0 && isMandatory(environment)) yield { what: "the memory of the host is not set." };
    if (hostCpus === 0 && isMandatory(environment)) yield { what: "the cores of the host are not set." };
    if (hostMemory > 0 && peak > hostMemory) {
      yield {
        what: `its containers may take ${memory} MiB, ${peak} MiB while a deploy runs; the host has ${hostMemory}.`,
      };
    }
    for (const resource of hostCpus > 0 ? containers.filter(isUnbounded) : []) {
      yield { what: "it has no cpus, so it is not known whether the host has enough cores.", resource };
    }
    if (hostCpus > 0 && cpus > hostCpus) {
      yield { what: `its containers may take ${cpus} cores; the host has ${hostCpus}.` };
    }
  },
});
