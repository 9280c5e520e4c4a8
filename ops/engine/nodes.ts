/** The nodes of a swarm, as its manager has them. */
import { setTimeout as sleep } from "node:timers/promises";
import type Docker from "dockerode";
import { EDGE_NODE_LABEL } from "../../infra/resources/labels.ts";
import { exit, OpsError } from "../terminal/errors.ts";
import { inSequence } from "./swarm-change.ts";

export type Availability = "active" | "pause" | "drain";

/** A node as the manager lists it; the parts that are looked at. */
export interface SwarmNode {
  readonly ID: string;
  readonly Version: { readonly Index: number };
  readonly Spec: {
    readonly Role: "manager" | "worker";
    readonly Availability: Availability;
    readonly Labels?: Readonly<Record<string, string>> | null;
  };
  readonly Description: {
    readonly Hostname: string;
    readonly Platform: { readonly Architecture: string; readonly OS: string };
    readonly Resources: { readonly NanoCPUs: number; readonly MemoryBytes: number };
    readonly Engine: { readonly EngineVersion: string };
  };
  readonly Status: { readonly State: string; readonly Message?: string; readonly Addr?: string };
  readonly ManagerStatus?: { readonly Reachability: string; readonly Addr?: string } | null;
}

/** What became of a task; the parts that are looked at. */
export interface SwarmTask {
  readonly ID: string;
  readonly ServiceID: string;
  /** Empty or missing while it has none. */
  readonly NodeID?: string;
  /** Which of the replicas it is, from 1; missing for one on each node. */
  readonly Slot?: number;
  /** ISO 8601. */
  readonly CreatedAt?: string;
  readonly DesiredState: string;
  readonly Spec?: {
    readonly ContainerSpec?: { readonly Image?: string; readonly Env?: readonly string[] | null };
  };
  readonly Status: {
    readonly State: string;
    readonly Err?: string;
    readonly Message?: string;
    /** When it got into that state, ISO 8601. */
    readonly Timestamp?: string;
    readonly ContainerStatus?: { readonly ContainerID?: string; readonly ExitCode?: number } | null;
  };
}

const POLL_MS = 500;

/** The states of a task that has no process any more. */
const over: ReadonlySet<string> = new Set([
  "complete",
  "shutdown",
  "failed",
  "rejected",
  "remove",
  "orphaned",
]);

/** Pure: whether a task has no process any more. */
export const isOver = ({ Status }: Pick<SwarmTask, "Status">): boolean => over.has(Status.State);

/** The id of a manager's own node; undefined where the engine is none. A manager alone can be asked about nodes. */
async function managerId(docker: Docker): Promise<string | undefined> {
  const { Swarm } = (await docker.info()) as { Swarm?: { ControlAvailable?: boolean; NodeID?: string } };
  return Swarm?.ControlAvailable === true ? (Swarm.NodeID ?? "") : undefined;
}

export const isManager = async (docker: Docker): Promise<boolean> => (await managerId(docker)) !== undefined;

/** @returns the id of its node. @throws OpsError where the engine is no manager, and so knows neither nodes nor tasks */
export async function requireManager(docker: Docker): Promise<string> {
  const id = await managerId(docker);
  if (id !== undefined) return id;
  throw new OpsError(
    "The stack's engine is no manager of a swarm, so it knows no nodes.",
    "Name a manager's engine as omniai:dockerHost; `docker swarm init` makes one.",
    exit.usage,
  );
}

export const listNodes = async (docker: Docker): Promise<SwarmNode[]> =>
  (await docker.listNodes()) as SwarmNode[];

export const nameOfNode = ({ Description }: SwarmNode): string => Description.Hostname;

/** Pure: where other nodes reach it. A manager lists itself by the address that it told the others. */
export const addressOfNode = ({ ManagerStatus, Status }: SwarmNode): string =>
  ManagerStatus?.Addr?.replace(/:\d+$/, "").replace(/^\[|\]$/g, "") ?? Status.Addr ?? "";

/** Pure: by its name, its address or its id. */
export const findNode = (nodes: readonly SwarmNode[], named: string): SwarmNode | undefined =>
  nodes.find((node) => [nameOfNode(node), addressOfNode(node), node.ID].includes(named));

/** Pure: whether it has the label of the nodes that the edge runs on. */
export const isEdgeNode = ({ Spec }: Pick<SwarmNode, "Spec">): boolean =>
  Spec.Labels?.[EDGE_NODE_LABEL] === "true";

/** Pure: whether the swarm gives it new tasks. */
export const takesTasks = ({ Status, Spec }: Pick<SwarmNode, "Status" | "Spec">): boolean =>
  Status.State === "ready" && Spec.Availability === "active";

/** Changes what the swarm does with a node, or its labels, and keeps all else that was said of it. A label that is null goes. */
export const changeNode = (
  docker: Docker,
  id: string,
  change: {
    readonly availability?: Availability;
    readonly labels?: Readonly<Record<string, string | null>>;
  },
): Promise<void> =>
  inSequence(`node ${id}`, async () => {
    const node = docker.getNode(id);
    const { Version, Spec } = (await node.inspect()) as SwarmNode;
    const labels = Object.entries({ ...Spec.Labels, ...change.labels }).filter(([, value]) => value !== null);
    await node.update({
      ...Spec,
      version: Version.Index,
      ...(change.availability && { Availability: change.availability }),
      ...(change.labels && { Labels: Object.fromEntries(labels) }),
    });
  });

/** The tasks on a node that have a process, also those that are told to stop. */
export async function tasksOn(docker: Docker, node: string): Promise<SwarmTask[]> {
  const tasks = (await docker.listTasks({ filters: { node: [node] } })) as SwarmTask[];
  return tasks.filter((task) => !isOver(task));
}

/** @returns the tasks that are still there when the time is over. @param seconds how long they may take */
export async function awaitNoTasks(docker: Docker, node: string, seconds: number): Promise<SwarmTask[]> {
  const end = performance.now() + seconds * 1000;
  for (;;) {
    const left = await tasksOn(docker, node);
    if (left.length === 0 || performance.now() > end) return left;
    await sleep(POLL_MS);
  }
}
