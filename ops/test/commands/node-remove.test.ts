/** Which nodes `npm run node -- remove` leaves where they are; real machines are in test/e2e/swarm/nodes.ts. */
import { strict as assert } from "node:assert";
import type Docker from "dockerode";
import { requireNode } from "../../commands/node/drain.ts";
import { removeNode } from "../../commands/node/remove.ts";
import type { SwarmNode } from "../../engine/nodes.ts";
import { OpsError } from "../../terminal/errors.ts";

const node = (name: string, role: "manager" | "worker", state = "ready"): SwarmNode =>
  ({
    ID: name,
    Spec: { Role: role, Availability: "active" },
    Description: { Hostname: name },
    Status: { State: state, Addr: "192.0.2.1" },
  }) as SwarmNode;

/** A manager of these nodes. @returns it, and the nodes that were removed by force */
function swarmOf(...nodes: SwarmNode[]): { docker: Docker; removed: string[] } {
  const removed: string[] = [];
  const docker = {
    listNodes: () => Promise.resolve(nodes),
    getNode: (id: string) => ({
      remove: ({ force }: { force: boolean }) => Promise.resolve(force && removed.push(id)),
    }),
  } as unknown as Docker;
  return { docker, removed };
}

describe("a node that is to be removed", () => {
  const refused = async (
    lost: boolean,
    pattern: RegExp,
    ...nodes: [SwarmNode, ...SwarmNode[]]
  ): Promise<void> => {
    const { docker, removed } = swarmOf(...nodes);
    await assert.rejects(
      removeNode(docker, nodes[0], lost, () => undefined),
      (error: unknown) => error instanceof OpsError && pattern.test(`${error.message} ${error.remedy ?? ""}`),
    );
    assert.deepEqual(removed, []);
  };

  it("stays where it is a manager", async () => {
    await refused(false, /the swarm's only manager.*docker node promote/s, node("one", "manager"));
    await refused(true, /docker node demote one/, node("one", "manager"), node("two", "manager"));
  });

  it("stays where it is said to be lost and answers", () =>
    refused(true, /answers, so it is not lost/, node("one", "worker")));

  it("stays where nobody knows whether it is lost, as when the only manager has just come back", () =>
    refused(true, /not known whether one is lost \(unknown\)/, node("one", "worker", "unknown")));

  it("is named by its id where another has its name, by which the swarm would not know it", async () => {
    const former = { ...node("one", "worker", "down"), ID: "former" };
    await refused(false, /remove former --lost/, former, node("one", "worker"));
    const { docker } = swarmOf(former, node("one", "worker"));
    const manager = { ...docker, info: () => Promise.resolve({ Swarm: { ControlAvailable: true } }) };
    await assert.rejects(
      requireNode(manager as unknown as Docker, "one"),
      /has 2 nodes "one": former \(down, 192\.0\.2\.1\), one \(ready, 192\.0\.2\.1\)/,
    );
    assert.equal(await requireNode(manager as unknown as Docker, "former"), former);
  });

  it("stays where it does not answer, until it is said to be lost", async () => {
    const lost = node("one", "worker", "down");
    await refused(false, /does not answer \(down\).*remove one --lost/s, lost, node("two", "manager"));
    const { docker, removed } = swarmOf(lost, node("two", "manager"));
    await removeNode(docker, lost, true, () => undefined);
    assert.deepEqual(removed, ["one"]);
  });
});
