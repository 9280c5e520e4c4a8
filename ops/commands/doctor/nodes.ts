/**
 * What `npm run doctor` sees of a swarm's nodes: what the manager says of each, and what only a task on each can say. It runs
 * one for a moment, because an engine tells nobody else how it starts processes.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type Docker from "dockerode";
import { EDGE_NODE_LABEL, STACK_LABEL } from "../../../infra/resources/labels.ts";
import { serviceName } from "../../../infra/service-name.ts";
import {
  isEdgeNode,
  isOver,
  listNodes,
  nameOfNode,
  requireManager,
  takesTasks,
  type SwarmNode,
  type SwarmTask,
} from "../../engine/nodes.ts";
import { createService, findService } from "../../engine/services.ts";
import { OpsError } from "../../terminal/errors.ts";
import type { Finding } from "./cloud-api.ts";

/** The first whose services can drop capabilities (API 1.41). */
const OLDEST_ENGINE = [20, 10] as const;

const GIB = 1024 ** 3;

/** How long the tasks may take, with the pull of an image, in seconds. */
const PATIENCE = 60;

/** A finding for the swarm, for each node, and for what they are together. */
export async function inspectNodes(docker: Docker, stack: string): Promise<Finding[]> {
  try {
    await requireManager(docker);
  } catch (error) {
    if (!(error instanceof OpsError)) throw error;
    return [{ name: "swarm", good: false, detail: error.message, remedy: error.remedy }];
  }
  const nodes = await listNodes(docker);
  return [...judgeNodes(nodes), await inspectPrivileges(docker, stack, nodes)];
}

/** Pure: what is wrong with the nodes, by what the manager says. */
export function judgeNodes(nodes: readonly SwarmNode[]): Finding[] {
  const usual = nodes.find(({ Spec }) => Spec.Role === "manager")?.Description.Platform.Architecture ?? "";
  return [...nodes.map((node) => judgeNode(node, usual)), judgeEdge(nodes), judgeManagers(nodes)];
}

function judgeNode(node: SwarmNode, usual: string): Finding {
  const name = nameOfNode(node);
  const { Platform, Resources, Engine } = node.Description;
  // One that has not said yet what it is.
  if (Engine.EngineVersion === undefined) {
    return {
      ...{
        name: `node ${name}`,
        good: false,
        detail: `${node.Status.State}: it has not said yet what it is`,
      },
      remedy: `Wait until it has joined; if it does not, take it out of the swarm: docker node rm --force ${node.ID}.`,
    };
  }
  const [major = 0, minor = 0] = Engine.EngineVersion.split(".").map(Number);
  const isOld = major < OLDEST_ENGINE[0] || (major === OLDEST_ENGINE[0] && minor < OLDEST_ENGINE[1]);
  const detail = [
    node.Status.State,
    ...(node.Spec.Availability === "active" ? [] : [node.Spec.Availability]),
    node.Spec.Role,
    ...(isEdgeNode(node) ? ["edge"] : []),
    `engine ${Engine.EngineVersion}`,
    `${(Resources.NanoCPUs ?? 0) / 1e9} cores`,
    `${((Resources.MemoryBytes ?? 0) / GIB).toFixed(1)} GiB`,
    Platform.Architecture,
  ].join(", ");
  const remedy =
    node.Status.State !== "ready"
      ? `Start its engine, or take it out of the swarm: docker node rm ${name}.`
      : isOld
        ? `Give it an engine of ${OLDEST_ENGINE.join(".")} or newer: an older one leaves tasks their capabilities.`
        : Platform.Architecture !== usual
          ? `Use machines of one architecture (${usual}): an image is built for that of the manager.`
          : undefined;
  return { name: `node ${name}`, good: remedy === undefined, detail, ...(remedy && { remedy }) };
}

function judgeEdge(nodes: readonly SwarmNode[]): Finding {
  const all = nodes.filter(isEdgeNode);
  const up = all.filter(takesTasks);
  return {
    name: "nodes of the edge",
    good: up.length > 0,
    detail: `${up.length} of ${all.length} that are labelled ${EDGE_NODE_LABEL}=true run tasks`,
    ...(up.length > 0
      ? {}
      : {
          remedy: `The way in is where this label is: docker node update --label-add ${EDGE_NODE_LABEL}=true NODE.`,
        }),
  };
}

/** More than half of the managers have to agree on everything. */
function judgeManagers(nodes: readonly SwarmNode[]): Finding {
  const all = nodes.filter(({ Spec }) => Spec.Role === "manager");
  const reachable = all.filter(({ ManagerStatus }) => ManagerStatus?.Reachability === "reachable");
  const spare = reachable.length - Math.floor(all.length / 2) - 1;
  const isLucky = all.length === 1 || spare > 0;
  return {
    name: "managers",
    good: isLucky,
    detail:
      all.length === 1
        ? "one: while it is away, what runs goes on, and nothing is replaced or changed"
        : `${reachable.length} of ${all.length} are reachable; ${Math.max(0, spare)} more may go before nothing can be changed`,
    ...(isLucky
      ? {}
      : { remedy: "Have three managers that are up (docker node promote NODE): two are worse than one." }),
  };
}

/** Whether each engine gives its tasks no new privileges, which a service cannot ask for. */
async function inspectPrivileges(
  docker: Docker,
  stack: string,
  nodes: readonly SwarmNode[],
): Promise<Finding> {
  const image = await imageOfEdge(docker, stack);
  if (image === undefined) {
    return {
      name: PRIVILEGES,
      good: true,
      detail: "not looked at: there is no image on the nodes before the first deploy",
    };
  }
  const service = await createService(docker, planLook(stack, image));
  try {
    return judgePrivileges(nodes, await tasksWhenEnded(docker, service.id));
  } finally {
    await service.remove();
  }
}

const PRIVILEGES = "no-new-privileges of the engines";

async function imageOfEdge(docker: Docker, stack: string): Promise<string | undefined> {
  const edge = await findService(docker, serviceName(stack, "edge")).catch(() => undefined);
  return edge?.Spec.TaskTemplate.ContainerSpec.Image;
}

/** Pure: a task on every node that ends well where its process can get no new privileges. */
const planLook = (stack: string, image: string): Docker.CreateServiceOptions => ({
  Name: `${serviceName(stack, "doctor")}-${Date.now().toString(36)}`,
  Labels: { [STACK_LABEL]: stack },
  Mode: { GlobalJob: {} },
  EndpointSpec: { Mode: "dnsrr" },
  TaskTemplate: {
    RestartPolicy: { Condition: "none" },
    Resources: { Limits: { MemoryBytes: 16 * 1024 * 1024, NanoCPUs: 100_000_000 } },
    ContainerSpec: {
      Image: image,
      Command: ["grep", "-q", "^NoNewPrivs:.1$", "/proc/self/status"],
      User: "65534:65534",
      ReadOnly: true,
      CapabilityDrop: ["ALL"],
    },
  },
  // Modes of jobs and dropped capabilities are missing in the types.
});

async function tasksWhenEnded(docker: Docker, service: string): Promise<SwarmTask[]> {
  for (let waited = 0; ; waited += 1) {
    const tasks = (await docker.listTasks({ filters: { service: [service] } })) as SwarmTask[];
    if ((tasks.length > 0 && tasks.every(isOver)) || waited >= PATIENCE) return tasks;
    await sleep(1000);
  }
}

/** Pure: which nodes said no, and which did not answer. */
export function judgePrivileges(
  nodes: readonly SwarmNode[],
  tasks: readonly Pick<SwarmTask, "NodeID" | "Status">[],
): Finding {
  const of = ({ ID }: SwarmNode): string | undefined =>
    tasks.find(({ NodeID }) => NodeID === ID)?.Status.State;
  const hosts = (list: readonly SwarmNode[]): string => list.map(nameOfNode).join(", ");
  const asked = nodes.filter(takesTasks);
  const lacking = asked.filter((node) => of(node) === "failed");
  const silent = asked.filter((node) => !["complete", "failed"].includes(of(node) ?? ""));
  const said = [
    ...(lacking.length > 0 ? [`not on ${hosts(lacking)}`] : []),
    ...(silent.length > 0 ? [`no answer of ${hosts(silent)}`] : []),
  ];
  return {
    name: PRIVILEGES,
    good: said.length === 0,
    detail: said.length === 0 ? `on all ${asked.length} nodes that run tasks` : said.join("; "),
    ...(said.length === 0
      ? {}
      : {
          remedy:
            'Put "no-new-privileges": true into /etc/docker/daemon.json there, drain the node, and restart its engine; ' +
            "`docker service ps` of omniai-…-doctor-… says why a node does not answer.",
        }),
  };
}
