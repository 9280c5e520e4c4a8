/**
 * `npm run node -- drain NODE`: a node that others can be told to switch off. A swarm's own drain stops the tasks first and
 * starts their successors when they have ended, so that replicas that were all on that node are missed. So their services are
 * rolled before, away from it: each successor is healthy before a task is told to stop.
 */
import type Docker from "dockerode";
import {
  addressOfNode,
  awaitNoTasks,
  changeNode,
  findNodes,
  handleOf,
  listNodes,
  nameOfNode,
  requireManager,
  takesTasks,
  tasksOn,
  type SwarmNode,
} from "../../engine/nodes.ts";
import { listServices, rollService, stopGraceOf } from "../../engine/services.ts";
import { exit, OpsError } from "../../terminal/errors.ts";

/** For what a stop grace does not count: the swarm's own time, in seconds. */
const MARGIN = 30;

/** @throws OpsError where the engine is no manager, or knows no such node, or several */
export async function requireNode(docker: Docker, named: string): Promise<SwarmNode> {
  await requireManager(docker);
  const nodes = await listNodes(docker);
  const [node, ...others] = findNodes(nodes, named);
  if (node === undefined) {
    throw new OpsError(
      `The swarm has no node "${named}". It has: ${nodes.map(nameOfNode).join(", ")}.`,
      "Name one of them, or its address.",
      exit.usage,
    );
  }
  if (others.length === 0) return node;
  const known = [node, ...others].map((one) => `${one.ID} (${one.Status.State}, ${addressOfNode(one)})`);
  throw new OpsError(
    `The swarm has ${known.length} nodes "${named}": ${known.join(", ")}.`,
    "Name the one that is meant by its id. A machine that has joined anew leaves its former self, which is down: cross that out (remove ID --lost).",
    exit.usage,
  );
}

/** @param say what is done next. @throws OpsError where tasks would be lost; the node then takes tasks as before */
export async function drainNode(docker: Docker, node: SwarmNode, say: (line: string) => void): Promise<void> {
  const nodes = await listNodes(docker);
  const name = handleOf(node, nodes);
  const others = nodes.filter((one) => one.ID !== node.ID && takesTasks(one));
  if (others.length === 0) {
    throw new OpsError(
      `No other node of the swarm takes tasks, so nothing would serve without ${name}.`,
      "Add one (npm run node -- add HOST), or have one take tasks again: docker node update --availability active NODE.",
    );
  }
  const before = node.Spec.Availability;
  if (before === "active") await changeNode(docker, node.ID, { availability: "pause" });
  try {
    await moveTasks(docker, node, say);
  } catch (error) {
    await changeNode(docker, node.ID, { availability: before });
    throw error;
  }
  await changeNode(docker, node.ID, { availability: "drain" });
  const left = await awaitNoTasks(docker, node.ID, await longestStop(docker));
  if (left.length === 0) return;
  throw new OpsError(
    `${left.length} tasks on ${name} have not stopped; the node takes no new ones.`,
    `See which: docker node ps ${name}. A machine that does not answer keeps them for ever: npm run node -- remove ${name} --lost.`,
  );
}

/** Services that run in replicas, anywhere, leave the node. Those that run on every node end with the drain. */
async function moveTasks(docker: Docker, node: SwarmNode, say: (line: string) => void): Promise<void> {
  // On a machine that is gone nothing serves, and the swarm has replaced its tasks.
  if (node.Status.State !== "ready") return;
  const there = new Set((await tasksOn(docker, node.ID)).map(({ ServiceID }) => ServiceID));
  for (const { ID, Spec } of await listServices(docker)) {
    if (!there.has(ID) || Spec.Mode.Replicated === undefined) continue;
    say(`moving ${Spec.Name} to other nodes`);
    const rolled = await rollService(docker, ID);
    if (rolled === undefined || rolled.good) continue;
    throw new OpsError(
      `${Spec.Name} could not be moved away from ${nameOfNode(node)} (${rolled.reason}). The node takes tasks as before.`,
      `Its tasks say why: docker service ps --no-trunc ${Spec.Name}`,
    );
  }
}

async function longestStop(docker: Docker): Promise<number> {
  return Math.max(0, ...(await listServices(docker)).map(stopGraceOf)) + MARGIN;
}
