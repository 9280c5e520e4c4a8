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
  /** What it has said of itself: nothing, until it has joined. */
  readonly Description: {
    readonly Hostname?: string;
    readonly Platform: { readonly Architecture?: string; readonly OS?: string };
    readonly Resources: { readonly NanoCPUs?: number; readonly MemoryBytes?: number };
    readonly Engine: { readonly EngineVersion?: string };
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

/** What an engine says of its part in a swarm. */
interface SwarmInfo {
  readonly ControlAvailable?: boolean;
  readonly NodeID?: string;
  /** Of a manager: why it could not ask the others. */
  readonly Error?: string;
}

const swarmInfo = async (docker: Docker): Promise<SwarmInfo> =>
  ((await docker.info()) as { Swarm?: SwarmInfo }).Swarm ?? {};

/** A manager alone can be asked about nodes. */
export const isManager = async (docker: Docker): Promise<boolean> =>
  (await swarmInfo(docker)).ControlAvailable === true;

/** @returns the id of its node. @throws OpsError where the engine is no manager, or none can answer */
export async function requireManager(docker: Docker): Promise<string> {
  const { ControlAvailable, NodeID = "", Error: why = "" } = await swarmInfo(docker);
  if (ControlAvailable !== true) {
    throw new OpsError(
      "The stack's engine is no manager of a swarm, so it knows no nodes.",
      "Name a manager's engine as omniai:dockerHost; on its machine, `docker swarm init --advertise-addr ADDRESS` makes it one.",
      exit.usage,
    );
  }
  if (why !== "") throw silentSwarm(why);
  return NodeID;
}

/** Managers that do not agree on a leader say nothing about nodes, services and tasks. */
export const silentSwarm = (why: string): OpsError =>
  new OpsError(
    `The swarm answers nobody, so nothing of it is known: ${why.trim()}`,
    "More than half of its managers have to be up; what runs goes on meanwhile. Start the engines of the others; " +
      "where they are gone for good: docker swarm init --force-new-cluster, on the machine of one that is left.",
  );

export const listNodes = async (docker: Docker): Promise<SwarmNode[]> =>
  (await docker.listNodes()) as SwarmNode[];

/** Pure: what its machine calls itself. Two may have the same name, and one that is about to join has none: that is known by its id. */
export const nameOfNode = ({ ID, Description }: Pick<SwarmNode, "ID" | "Description">): string =>
  Description.Hostname || ID;

/** Pure: what the docker CLI knows it by, and no other: its name, or its id where that is another's name too. */
export const handleOf = (node: SwarmNode, nodes: readonly SwarmNode[]): string =>
  nodes.some((one) => one.ID !== node.ID && nameOfNode(one) === nameOfNode(node))
    ? node.ID
    : nameOfNode(node);

/** Pure: where other nodes reach it. A manager lists itself by the address that it told the others. */
export const addressOfNode = ({ ManagerStatus, Status }: SwarmNode): string =>
  ManagerStatus?.Addr?.replace(/:\d+$/, "").replace(/^\[|\]$/g, "") ?? Status.Addr ?? "";

/** Pure: those of this name, address or id. More than one where a machine has joined anew, or where two have one name. */
export const findNodes = (nodes: readonly SwarmNode[], named: string): SwarmNode[] =>
  nodes.filter((node) => [nameOfNode(node), addressOfNode(node), node.ID].includes(named));

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
