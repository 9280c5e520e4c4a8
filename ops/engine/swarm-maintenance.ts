/**
 * Maintenance on a swarm: a service with a task beside each edge, which writes the file that the edge looks for into memory
 * of their node. The service is the switch: while it is there, the swarm has the file on every node that an edge comes to, and
 * nobody has to log in anywhere. With the last of both a node's memory goes, so that no node keeps a file that nobody can reach.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type Docker from "dockerode";
import {
  SHARED_MAINTENANCE_FILE,
  SHARED_MAINTENANCE_FOLDER,
} from "../../infra/components/edge/maintenance.ts";
import { STACK_LABEL } from "../../infra/resources/labels.ts";
import { serviceName } from "../../infra/service-name.ts";
import { OpsError } from "../terminal/errors.ts";
import { npmRun } from "../terminal/npm-run.ts";
import { unlessGone } from "./connection.ts";
import { maintenanceProblem, parseMaintenance, type Maintenance, type Switch } from "./maintenance.ts";
import {
  isEdgeNode,
  isOver,
  listNodes,
  nameOfNode,
  requireManager,
  takesTasks,
  type SwarmNode,
  type SwarmTask,
} from "./nodes.ts";
import {
  changeService,
  createService,
  findService,
  listTasks,
  stopGraceOf,
  type SwarmService,
} from "./services.ts";

const nameOf = (stack: string): string => serviceName(stack, "maintenance");

/**
 * A task of the switch. PROBLEM is what the edge answers, in base64, because a swarm reads braces in a variable as a template;
 * empty: nothing. Written aside and renamed: no request meets half of the file. One that is told to end waits first, because an
 * edge that is told at the same time goes on answering on the connections that it has; and it leaves what its successor wrote.
 */
const SWITCH_SCRIPT = `set -eu
umask 022
problem=$(printf %s "$PROBLEM" | base64 -d)
if [ -n "$problem" ]; then
  printf %s "$problem" > "$FILE.$HOSTNAME"
  mv "$FILE.$HOSTNAME" "$FILE"
else
  rm -f "$FILE"
fi
end() {
  [ -n "$problem" ] || exit 0
  sleep "$GRACE" &
  wait "$!" || true
  if [ "$(cat "$FILE" 2>/dev/null)" = "$problem" ]; then rm -f "$FILE"; fi
  exit 0
}
trap end TERM
while :; do
  sleep 3600 &
  wait "$!" || true
done
`;

/** The swarm calls a task running when this says so. */
const CHECK_SCRIPT = 'if [ -n "$PROBLEM" ]; then [ -e "$FILE" ]; else [ ! -e "$FILE" ]; fi';

const SECOND = 1e9;
const MIB = 1024 * 1024;

/** For what a stop takes beside the wait, in seconds. */
const STOP_MARGIN = 10;

/** How long the tasks may take until all are switched, in seconds. */
const PATIENCE = 60;
const POLL_MS = 250;

const encode = (problem: object | undefined): string =>
  problem === undefined ? "" : Buffer.from(JSON.stringify(problem)).toString("base64");

/** Pure: the service that has the edges of a stack answer with a problem; with none it takes that back. */
export function planSwitch(
  stack: string,
  edge: Pick<SwarmService, "Spec">,
  problem: object | undefined,
): Docker.CreateServiceOptions {
  const { ContainerSpec, Placement } = edge.Spec.TaskTemplate;
  const mount = ContainerSpec.Mounts?.find(({ Target }) => Target === SHARED_MAINTENANCE_FOLDER);
  if (mount === undefined) {
    throw new OpsError(
      `The edge of stack ${stack} is of a version that no maintenance reaches on a swarm.`,
      `Deploy this one first: ${npmRun("up", stack)}`,
    );
  }
  const grace = Math.ceil(stopGraceOf(edge));
  const spec = {
    Name: nameOf(stack),
    // Of the stack, and none of its workloads.
    Labels: { [STACK_LABEL]: stack },
    Mode: { Global: {} },
    EndpointSpec: { Mode: "dnsrr" },
    UpdateConfig: { Parallelism: 0, Order: "start-first", FailureAction: "continue" },
    TaskTemplate: {
      RestartPolicy: { Condition: "any", Delay: SECOND },
      Placement: { Constraints: [...(Placement?.Constraints ?? [])] },
      Resources: { Limits: { MemoryBytes: 32 * MIB, NanoCPUs: 0.1 * SECOND } },
      ContainerSpec: {
        Image: ContainerSpec.Image,
        User: ContainerSpec.User,
        Command: ["sh", "-c", SWITCH_SCRIPT],
        Env: [`FILE=${SHARED_MAINTENANCE_FILE}`, `PROBLEM=${encode(problem)}`, `GRACE=${grace}`],
        ReadOnly: true,
        CapabilityDrop: ["ALL"],
        Init: true,
        Mounts: [{ ...mount, ReadOnly: false }],
        // The image's own is nginx's, which ends a shell at once, with the file left behind.
        StopSignal: "SIGTERM",
        Healthcheck: {
          Test: ["CMD", "sh", "-c", CHECK_SCRIPT],
          Interval: 2 * SECOND,
          Timeout: 5 * SECOND,
          Retries: 3,
          StartPeriod: 10 * SECOND,
        },
        StopGracePeriod: (grace + STOP_MARGIN) * SECOND,
      },
    },
  };
  // Dropped capabilities are missing in the types.
  return spec as unknown as Docker.CreateServiceOptions;
}

/** What is in a switch's variable of this name. */
const variable = ({ Spec }: Pick<SwarmService, "Spec">, name: string): string =>
  (Spec.TaskTemplate.ContainerSpec.Env ?? [])
    .find((one) => one.startsWith(`${name}=`))
    ?.slice(name.length + 1) ?? "";

/** What was read of a swarm at about the same time. */
interface Sight {
  readonly nodes: readonly SwarmNode[];
  readonly tasks: readonly SwarmTask[];
}

const look = async (docker: Docker, stack: string): Promise<Sight> => {
  const [nodes, tasks] = await Promise.all([listNodes(docker), listTasks(docker, stack)]);
  return { nodes, tasks };
};

const isReady = ({ Status }: SwarmNode): boolean => Status.State === "ready";
const runs = (task: SwarmTask): boolean => task.DesiredState === "running" && task.Status.State === "running";

/** A node whose edge runs and is not as the switch says. */
interface Missing {
  readonly node: string;
  readonly why: string;
  /** False where nothing will change by waiting. */
  readonly mayCome: boolean;
}

const describeMissing = ({ node, why }: Missing): string => `${node} (${why})`;

/** Pure: all of them. */
export function missingOn(
  { nodes, tasks }: Sight,
  edge: Pick<SwarmService, "ID">,
  service: Pick<SwarmService, "ID" | "Spec">,
): Missing[] {
  const problem = `PROBLEM=${variable(service, "PROBLEM")}`;
  const on = (node: SwarmNode, id: string): SwarmTask[] =>
    tasks.filter(({ ServiceID, NodeID }) => ServiceID === id && NodeID === node.ID);
  const isOfNow = ({ Spec }: SwarmTask): boolean => Spec?.ContainerSpec?.Env?.includes(problem) === true;
  return nodes
    .filter(isReady)
    .filter((node) => on(node, edge.ID).some((task) => !isOver(task)))
    .filter((node) => !on(node, service.ID).some((task) => isOfNow(task) && runs(task)))
    .map((node) => {
      const error = on(node, service.ID).find(({ Status }) => Status.Err)?.Status.Err;
      const mayCome = takesTasks(node);
      const why = mayCome ? (error ?? "its task starts") : "the node takes no new tasks";
      return { node: nameOfNode(node), why, mayCome };
    });
}

/** Pure: the nodes of the edge that nobody can tell now. What they had in memory is gone when they come back. */
export const awayOf = ({ nodes }: Pick<Sight, "nodes">): string[] =>
  nodes.filter((node) => isEdgeNode(node) && !isReady(node)).map(nameOfNode);

/** What the edges answer; undefined when maintenance is off. */
export async function readSwarmMaintenance(docker: Docker, stack: string): Promise<Maintenance | undefined> {
  const [service, edge] = await Promise.all([
    findService(docker, nameOf(stack)),
    findService(docker, serviceName(stack, "edge")),
  ]);
  const problem = service === undefined ? "" : variable(service, "PROBLEM");
  if (service === undefined || problem === "") return undefined;
  const missing = edge === undefined ? [] : missingOn(await look(docker, stack), edge, service);
  return {
    ...parseMaintenance(Buffer.from(problem, "base64").toString()),
    missing: missing.map(describeMissing),
  };
}

/**
 * The switch of the edges of a swarm; undefined when none runs and nothing is switched.
 * @param say what is said of nodes that cannot be told. @throws OpsError
 */
export async function swarmSwitch(
  docker: Docker,
  stack: string,
  say: (line: string) => void,
): Promise<Switch | undefined> {
  await requireManager(docker);
  const edge = await findService(docker, serviceName(stack, "edge"));
  if (edge === undefined) return undefined;
  const before = await readSwarmMaintenance(docker, stack);
  const { tasks } = await look(docker, stack);
  if (before === undefined && !tasks.some((task) => task.ServiceID === edge.ID && runs(task)))
    return undefined;
  return {
    before,
    set: (message) =>
      message === undefined
        ? switchOff(docker, stack, edge, say)
        : switchOn(docker, stack, edge, message, say),
  };
}

async function switchOn(
  docker: Docker,
  stack: string,
  edge: SwarmService,
  message: string,
  say: (line: string) => void,
): Promise<Maintenance | undefined> {
  const plan = planSwitch(stack, edge, maintenanceProblem(message, new Date()));
  const service = await putService(docker, stack, plan);
  const missing = await awaitSwitched(docker, stack, edge, service);
  if (missing.length > 0) {
    throw new OpsError(
      `Maintenance of stack ${stack} is not on everywhere: the edge goes on answering on ${missing.map(describeMissing).join(", ")}.`,
      `The swarm goes on trying; see how: docker service ps --no-trunc ${nameOf(stack)}. To take it back: ${npmRun("maintenance", stack, "off")}`,
    );
  }
  for (const node of awayOf(await look(docker, stack)))
    say(`${node} does not answer. If it comes back before the end, its edge begins with the maintenance.`);
  return readSwarmMaintenance(docker, stack);
}

/** The edges answer as soon as the file is gone; the tasks that are told to end would leave it for a while. */
async function switchOff(
  docker: Docker,
  stack: string,
  edge: SwarmService,
  say: (line: string) => void,
): Promise<undefined> {
  const service = await findService(docker, nameOf(stack));
  if (service === undefined) return undefined;
  try {
    const plan = planSwitch(stack, edge, undefined);
    const changed = await putService(docker, stack, plan);
    for (const one of await awaitSwitched(docker, stack, edge, changed))
      say(
        `Not ended yet on ${describeMissing(one)}: it ends within ${Math.ceil(stopGraceOf(edge)) + STOP_MARGIN} s.`,
      );
    for (const node of awayOf(await look(docker, stack)))
      say(`${node} does not answer. When it comes back, its edge answers, or does after a moment.`);
  } finally {
    await removeSwitch(docker, stack);
  }
  return undefined;
}

/** Takes the service away, where one is: each of its tasks takes back what it has written. */
export async function removeSwitch(docker: Docker, stack: string): Promise<void> {
  await unlessGone(docker.getService(nameOf(stack)).remove());
}

async function putService(
  docker: Docker,
  stack: string,
  plan: Docker.CreateServiceOptions,
): Promise<SwarmService> {
  const changed = await changeService(docker, nameOf(stack), () => plan);
  if (changed === undefined) await createService(docker, plan);
  const put = await findService(docker, nameOf(stack));
  if (put !== undefined) return put;
  throw new OpsError(
    `Somebody has ended the maintenance of stack ${stack} while it was switched.`,
    "Run the command again.",
  );
}

/** @returns the nodes where the edge is not as the service says when the time is over, or when waiting changes nothing */
async function awaitSwitched(
  docker: Docker,
  stack: string,
  edge: SwarmService,
  service: SwarmService,
): Promise<Missing[]> {
  const end = performance.now() + PATIENCE * 1000;
  for (;;) {
    const missing = missingOn(await look(docker, stack), edge, service);
    if (!missing.some(({ mayCome }) => mayCome) || performance.now() >= end) return missing;
    await sleep(POLL_MS);
  }
}
