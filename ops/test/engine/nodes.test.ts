/** What a node is found by, and where others reach it. */
import { strict as assert } from "node:assert";
import { addressOfNode, findNode, takesTasks, type SwarmNode } from "../../engine/nodes.ts";

const node = (change: Partial<SwarmNode>): SwarmNode => ({
  ID: "id",
  Version: { Index: 1 },
  Spec: { Role: "worker", Availability: "active" },
  Description: {
    Hostname: "one",
    Platform: { Architecture: "x86_64", OS: "linux" },
    Resources: { NanoCPUs: 1, MemoryBytes: 1 },
    Engine: { EngineVersion: "26.1.5" },
  },
  Status: { State: "ready", Addr: "10.0.0.1" },
  ...change,
});

describe("a node of a swarm", () => {
  it("has the address that the others know, which is a manager's own word for itself", () => {
    const manager = { Reachability: "reachable", Addr: "10.0.0.9:2377" };
    assert.equal(addressOfNode(node({})), "10.0.0.1");
    // A manager is connected to itself by another address.
    assert.equal(
      addressOfNode(node({ Status: { State: "ready", Addr: "0.0.0.0" }, ManagerStatus: manager })),
      "10.0.0.9",
    );
    assert.equal(
      addressOfNode(node({ ManagerStatus: { ...manager, Addr: "[2001:db8::1]:2377" } })),
      "2001:db8::1",
    );
  });

  it("is found by its name, its address or its id, and by nothing else", () => {
    const nodes = [node({})];
    for (const name of ["one", "10.0.0.1", "id"]) assert.equal(findNode(nodes, name), nodes[0]);
    for (const name of ["on", "10.0.0.10", ""]) assert.equal(findNode(nodes, name), undefined);
  });

  it("takes tasks only where it is ready and nobody has said otherwise", () => {
    assert.ok(takesTasks(node({})));
    assert.ok(!takesTasks(node({ Status: { State: "down" } })));
    assert.ok(!takesTasks(node({ Spec: { Role: "worker", Availability: "pause" } })));
  });
});
