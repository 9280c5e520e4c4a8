/** A swarm as its manager shows it, for tests: nodes, services and tasks by the names that they have. */
import type Docker from "dockerode";
import { STACK_LABEL, WORKLOAD_LABEL } from "../../../infra/resources/labels.ts";
import type { SwarmNode, SwarmTask } from "../../engine/nodes.ts";
import type { SwarmService } from "../../engine/services.ts";

const idOf = (name: string): string => `id-of-${name}`;

/** A worker that is ready, takes tasks and has an edge, with what differs. */
export const swarmNode = (
  name: string,
  {
    state = "ready",
    availability = "active",
    edge = true,
    role = "worker",
  }: {
    readonly state?: string;
    readonly availability?: SwarmNode["Spec"]["Availability"];
    readonly edge?: boolean;
    readonly role?: "manager" | "worker";
  } = {},
): SwarmNode => ({
  ID: idOf(name),
  Version: { Index: 1 },
  Spec: { Role: role, Availability: availability, Labels: edge ? { "omniai.edge": "true" } : {} },
  Description: {
    Hostname: name,
    Platform: { Architecture: "x86_64", OS: "linux" },
    Resources: { NanoCPUs: 2e9, MemoryBytes: 1024 ** 3 },
    Engine: { EngineVersion: "20.10.24" },
  },
  Status: { State: state },
});

/** A service of stack prod; one on each node of the edge where no number is given. */
export const swarmService = (
  workload: string,
  replicas?: number,
  more: Partial<Pick<SwarmService, "UpdateStatus">> & { readonly container?: object } = {},
): SwarmService => ({
  ID: idOf(workload),
  Version: { Index: 3 },
  Spec: {
    Name: `omniai-prod-${workload}`,
    Labels: { [STACK_LABEL]: "prod", [WORKLOAD_LABEL]: workload },
    Mode: replicas === undefined ? {} : { Replicated: { Replicas: replicas } },
    TaskTemplate: {
      ContainerSpec: {
        Image: `registry.example.org/${workload}@sha256:${"0123456789abcdef".repeat(4)}`,
        Healthcheck: { Test: ["CMD", "true"] },
        StopGracePeriod: 9e9,
        ...more.container,
      },
      Placement: { Constraints: replicas === undefined ? ["node.labels.omniai.edge==true"] : [] },
    },
  },
  UpdateStatus: more.UpdateStatus ?? null,
});

/** A task that should run and does, with what differs. */
export const swarmTask = (
  workload: string,
  node: string,
  {
    slot,
    state = "running",
    wanted = "running",
    id = `${workload}-${slot ?? ""}-${node}`,
    error,
    env,
    created = "2026-11-28T07:00:00Z",
  }: {
    readonly slot?: number;
    readonly state?: string;
    readonly wanted?: string;
    readonly id?: string;
    readonly error?: string;
    readonly env?: readonly string[];
    readonly created?: string;
  } = {},
): SwarmTask => ({
  ID: id,
  ServiceID: idOf(workload),
  NodeID: node === "" ? "" : idOf(node),
  ...(slot !== undefined && { Slot: slot }),
  CreatedAt: created,
  DesiredState: wanted,
  Spec: { ContainerSpec: { Env: env ?? [] } },
  Status: {
    State: state,
    ...(error !== undefined && { Err: error }),
    Timestamp: created,
    ContainerStatus: { ContainerID: `container-of-${id}` },
  },
});

/** A manager that answers with these, and has no way to anything else. */
export function swarmManager(
  {
    nodes,
    services,
    tasks,
  }: {
    readonly nodes: readonly SwarmNode[];
    readonly services: readonly SwarmService[];
    readonly tasks: readonly SwarmTask[];
  },
  more: object = {},
): Docker {
  const docker = {
    info: () => Promise.resolve({ Swarm: { ControlAvailable: true, NodeID: nodes[0]?.ID } }),
    listNodes: () => Promise.resolve(nodes),
    listServices: () => Promise.resolve(services),
    listTasks: () => Promise.resolve(tasks),
    ...more,
  };
  return docker as unknown as Docker;
}
