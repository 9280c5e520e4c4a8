/** `npm run node -- remove NODE`: a node leaves the swarm, drained first; or one whose machine is gone is crossed out. */
import type Docker from "dockerode";
import { handleOf, listNodes, type SwarmNode } from "../../engine/nodes.ts";
import { exit, OpsError } from "../../terminal/errors.ts";
import { drainNode } from "./drain.ts";

/**
 * @param lost the machine is gone for good, so nothing can be moved away from it.
 * @param say what is done next. @throws OpsError
 */
export async function removeNode(
  docker: Docker,
  node: SwarmNode,
  lost: boolean,
  say: (line: string) => void,
): Promise<void> {
  const nodes = await listNodes(docker);
  const name = handleOf(node, nodes);
  refuseManager(node, nodes);
  const { State } = node.Status;
  if (lost && State !== "down") {
    throw new OpsError(
      State === "ready"
        ? `${name} answers, so it is not lost: without a drain, what it serves would be cut off.`
        : `It is not known whether ${name} is lost (${State}): without a drain, what it serves would be cut off.`,
      "Leave --lost out, or switch the machine off first and wait until the swarm calls it down (docker node ls).",
      exit.usage,
    );
  }
  if (!lost) {
    if (State !== "ready") {
      throw new OpsError(
        `${name} does not answer (${State}), so it cannot be drained.`,
        `Start its engine; or where the machine is gone for good: npm run node -- remove ${name} --lost`,
      );
    }
    await drainNode(docker, node, say);
  }
  // Its engine learns that it is no node any more when it asks the next time.
  await docker.getNode(node.ID).remove({ force: true });
}

/** Without a manager nobody can change the swarm again. @throws OpsError */
function refuseManager(node: SwarmNode, nodes: readonly SwarmNode[]): void {
  if (node.Spec.Role !== "manager") return;
  const managers = nodes.filter(({ Spec }) => Spec.Role === "manager");
  const name = handleOf(node, nodes);
  throw new OpsError(
    managers.length === 1
      ? `${name} is the swarm's only manager: without it nothing can be changed any more.`
      : `${name} is a manager, and the others count on its vote.`,
    managers.length === 1
      ? "Make another one first (docker node promote NODE), and name its engine as omniai:dockerHost."
      : `Make it a worker first: docker node demote ${name}`,
    exit.usage,
  );
}
