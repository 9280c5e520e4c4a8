/**
 * How the services of a stack are on all nodes of its swarm, as far as their manager knows. It calls a task running only while
 * its health check is good; of a node that does not answer it has old news, which is shown as not known.
 */
import type Docker from "dockerode";
import {
  isEdgeNode,
  isOver,
  listNodes,
  nameOfNode,
  requireManager,
  silentSwarm,
  type Availability,
  type SwarmNode,
  type SwarmTask,
} from "./nodes.ts";
import { listServices, listTasks, workloadOf, type SwarmService } from "./services.ts";

/** One task that is there, is about to be, or has not gone yet. */
export interface TaskView {
  readonly id: string;
  /** The service's name with the number of the replica, or with the node of which it is the only one. */
  readonly name: string;
  readonly workload: string;
  /** From 1; 0 for the only one on its node. */
  readonly replica: number;
  /** The name of its node; empty while it has none. */
  readonly node: string;
  /**
   * running; stopping, when it was told to end and has not; unknown, when its node does not answer; else the swarm's own word for
   * how far it is: pending, preparing, starting, …
   */
  readonly state: string;
  /** none, where there is no check. What does not run is not known to be anything. */
  readonly health: "healthy" | "none" | "unknown";
  /** Why it does not run, or why the one before it in its place has ended; empty when nobody says. */
  readonly error: string;
  /** When it got into its state, ISO 8601. */
  readonly since: string;
  /** The id of its container, for who asks the engine of its node. */
  readonly container: string;
  readonly image: string;
}

export interface ServiceView {
  readonly id: string;
  readonly name: string;
  readonly workload: string;
  /** How many tasks should run; of a service with one on each node, on how many nodes. */
  readonly desired: number;
  readonly running: number;
  readonly tasks: readonly TaskView[];
  /** What became of its last change, where it did not come through or is under way. */
  readonly update?: string;
}

export interface NodeView {
  readonly id: string;
  readonly name: string;
  /** ready, down, disconnected or unknown. */
  readonly state: string;
  readonly availability: Availability;
  readonly role: "manager" | "worker";
  readonly edge: boolean;
  /** Whether the engine that was asked is this node's: it can say more of its own containers. */
  readonly asked: boolean;
}

export interface SwarmView {
  readonly nodes: readonly NodeView[];
  readonly services: readonly ServiceView[];
}

/** @throws OpsError where the engine is no manager, or where no manager can answer */
export async function readSwarm(docker: Docker, stack: string): Promise<SwarmView> {
  const asked = await requireManager(docker);
  try {
    const [nodes, services, tasks] = await Promise.all([
      listNodes(docker),
      listServices(docker, stack),
      listTasks(docker, stack),
    ]);
    return viewSwarm({ asked, nodes, services, tasks });
  } catch (error) {
    const { statusCode, message } = error as Error & { statusCode?: number };
    if (statusCode === undefined || statusCode < 500) throw error;
    // Since it was asked whether it can.
    throw silentSwarm(message);
  }
}

/** What was read of a swarm at about the same time. */
interface Read {
  readonly asked: string;
  readonly nodes: readonly SwarmNode[];
  readonly services: readonly SwarmService[];
  readonly tasks: readonly SwarmTask[];
}

/** Pure: what that means. Services without a workload are tools that work for a moment (doctor, maintenance). */
export function viewSwarm({ asked, nodes, services, tasks }: Read): SwarmView {
  return {
    nodes: nodes
      .map((node) => ({
        id: node.ID,
        name: nameOfNode(node),
        state: node.Status.State,
        availability: node.Spec.Availability,
        role: node.Spec.Role,
        edge: isEdgeNode(node),
        asked: node.ID === asked,
      }))
      .sort((left, right) => left.name.localeCompare(right.name)),
    services: services
      .filter((service) => workloadOf(service) !== undefined)
      .map((service) =>
        viewService(
          service,
          tasks.filter(({ ServiceID }) => ServiceID === service.ID),
          nodes,
        ),
      )
      .sort((left, right) => left.workload.localeCompare(right.workload)),
  };
}

/** Whether the swarm wants it to run: "ready" is one that waits for its turn. */
const isWanted = ({ DesiredState }: SwarmTask): boolean => ["running", "ready"].includes(DesiredState);

/** Which of its service's tasks it is, before and after it was replaced. */
const placeOf = ({ Slot, NodeID }: SwarmTask): string => (Slot ? `replica ${Slot}` : `node ${NodeID ?? ""}`);

function viewService(
  service: SwarmService,
  tasks: readonly SwarmTask[],
  nodes: readonly SwarmNode[],
): ServiceView {
  const { Spec, UpdateStatus } = service;
  const wanted = tasks.filter(isWanted);
  const shown = tasks.filter((task) => isWanted(task) || !isOver(task));
  const views = shown
    .map((task) => viewTask(task, service, lastError(task, tasks), nodes))
    .sort(
      (left, right) =>
        left.replica - right.replica ||
        left.node.localeCompare(right.node) ||
        left.since.localeCompare(right.since),
    );
  // While a new one comes before the old one goes, both are wanted in the same place.
  const running = new Set(
    wanted
      .filter((task) => views.some(({ id, state }) => id === task.ID && state === "running"))
      .map(placeOf),
  );
  return {
    id: service.ID,
    name: Spec.Name,
    workload: workloadOf(service) ?? "",
    desired: Spec.Mode.Replicated?.Replicas ?? new Set(wanted.map(placeOf)).size,
    running: running.size,
    tasks: views,
    ...describeUpdate(UpdateStatus),
  };
}

/** Why the newest task that has failed in the same place has, if one has since this one's predecessor ran. */
function lastError(task: SwarmTask, tasks: readonly SwarmTask[]): string {
  const before = tasks
    .filter((other) => other.ID !== task.ID && isOver(other) && placeOf(other) === placeOf(task))
    .sort((left, right) => (right.CreatedAt ?? "").localeCompare(left.CreatedAt ?? ""))[0];
  return before?.Status.Err ?? "";
}

function viewTask(
  task: SwarmTask,
  service: SwarmService,
  before: string,
  nodes: readonly SwarmNode[],
): TaskView {
  const { ID, Slot = 0, NodeID = "", Status } = task;
  const { Spec } = service;
  const { Image, Healthcheck } = Spec.TaskTemplate.ContainerSpec;
  const home = nodes.find((node) => node.ID === NodeID);
  const node = home === undefined ? NodeID : nameOfNode(home);
  const state = stateOf(task, home);
  const runs = state === "running";
  return {
    id: ID,
    name: `${Spec.Name}.${Slot || node}`,
    workload: workloadOf(service) ?? "",
    replica: Slot,
    node,
    state,
    health: runs ? (Healthcheck == null ? "none" : "healthy") : "unknown",
    error: runs || state === "stopping" ? "" : Status.Err || before,
    since: Status.Timestamp ?? "",
    container: Status.ContainerStatus?.ContainerID ?? "",
    // The nodes know it by its digest alone.
    image: (task.Spec?.ContainerSpec?.Image ?? Image).replace(/@sha256:([0-9a-f]{12})[0-9a-f]*$/, "@$1"),
  };
}

function stateOf(task: SwarmTask, node: SwarmNode | undefined): string {
  const isPlaced = (task.NodeID ?? "") !== "";
  if (isPlaced && !isOver(task) && node?.Status.State !== "ready") return "unknown";
  if (!isWanted(task)) return "stopping";
  return task.Status.State;
}

/** The swarm keeps how the last change ended. One that came through is nothing to tell. */
function describeUpdate(status: SwarmService["UpdateStatus"]): { update?: string } {
  const { State = "", Message = "" } = status ?? {};
  if (State === "" || State === "completed") return {};
  const words: Readonly<Record<string, string>> = {
    updating: "is being changed",
    paused: "stopped in the middle of a change",
    rollback_started: "goes back to the release before",
    rollback_paused: "stopped on its way back to the release before",
    rollback_completed: "went back to the release before",
  };
  return { update: `${words[State] ?? State}${Message === "" ? "" : ` (${Message})`}` };
}

/** Pure: whether as many tasks run as should, and at least one. */
export const isGoodService = ({ desired, running }: ServiceView): boolean =>
  desired > 0 && running >= desired;

/** Pure: whether nobody has to do anything about it. One that takes no tasks by the operator's word may be off. */
export const isGoodNode = ({ state, availability }: NodeView): boolean =>
  state === "ready" || availability !== "active";

/** Pure: what is wrong with the services, a sentence each. */
export const serviceProblems = ({ services }: SwarmView): string[] =>
  services.filter((service) => !isGoodService(service)).map(describeLack);

/** Pure: what is wrong with the machines, a sentence each. The services may be whole without them. */
export const nodeProblems = ({ nodes }: SwarmView): string[] =>
  nodes
    .filter((node) => !isGoodNode(node))
    .map(({ name, state, edge }) => `Node ${name} is ${state}${edge ? ", and no edge serves there" : ""}.`);

/** Pure: both. */
export const problemsOf = (view: SwarmView): string[] => [...serviceProblems(view), ...nodeProblems(view)];

function describeLack({ name, desired, running, tasks }: ServiceView): string {
  if (desired === 0) return `${name} runs nowhere: no node that takes tasks is labelled for it.`;
  const why = new Set(
    tasks.filter(({ state, error }) => state !== "running" && error !== "").map(({ error }) => error),
  );
  return `Of ${name}, ${running} of ${desired} run${why.size === 0 ? "." : `: ${[...why].join("; ")}.`}`;
}

/** Pure: whether every service runs as it should, on nodes that all answer. */
export const isGoodSwarm = (view: SwarmView): boolean =>
  view.services.length > 0 && problemsOf(view).length === 0;

/**
 * Waits for tasks that are still starting: a change that has just come through elsewhere may have left some.
 * @param seconds at most. @throws OpsError as `readSwarm`
 */
export async function settledSwarm(docker: Docker, stack: string, seconds: number): Promise<SwarmView> {
  const end = performance.now() + seconds * 1000;
  for (;;) {
    const view = await readSwarm(docker, stack);
    if (view.services.every(isGoodService) || performance.now() >= end) return view;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}
