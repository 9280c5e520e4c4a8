/** What a node is found by, and where others reach it. */
import { strict as assert } from "node:assert";
import type Docker from "dockerode";
import {
  addressOfNode,
  changeNode,
  findNodes,
  handleOf,
  nameOfNode,
  requireManager,
  takesTasks,
  type SwarmNode,
} from "../../engine/nodes.ts";

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
    for (const name of ["one", "10.0.0.1", "id"]) assert.deepEqual(findNodes(nodes, name), nodes);
    for (const name of ["on", "10.0.0.10", ""]) assert.deepEqual(findNodes(nodes, name), []);
  });

  it("is known by its id where another has its name, or where it has not said one yet", () => {
    const former = node({ ID: "former", Status: { State: "down", Addr: "10.0.0.1" } });
    const nodes = [node({}), former];
    assert.deepEqual(findNodes(nodes, "one"), nodes);
    assert.deepEqual(findNodes(nodes, "former"), [former]);
    assert.equal(handleOf(former, nodes), "former");
    assert.equal(handleOf(former, [former]), "one");
    const Description = { Platform: {}, Resources: {}, Engine: {} };
    assert.equal(nameOfNode(node({ ID: "joining", Description })), "joining");
  });

  it("is changed anew where it was changed since it was read, and loses the labels that are taken away", async () => {
    const asked: object[] = [];
    const update = (options: object): Promise<void> => {
      asked.push(options);
      return asked.length > 1
        ? Promise.resolve()
        : Promise.reject(new Error("rpc error: code = Unknown desc = update out of sequence"));
    };
    let index = 0;
    const Spec = { Role: "worker", Availability: "active", Labels: { zone: "a", edge: "true" } };
    const inspect = () => Promise.resolve({ Version: { Index: ++index }, Spec });
    const docker = { getNode: () => ({ inspect, update }) } as unknown as Docker;
    await changeNode(docker, "id", { labels: { edge: null } });
    assert.deepEqual(
      asked,
      [1, 2].map((version) => ({ ...Spec, version, Labels: { zone: "a" } })),
    );
  });

  it("is not asked for where the engine is no manager, or where the managers have no leader", async () => {
    const engine = (Swarm: object) => ({ info: () => Promise.resolve({ Swarm }) }) as unknown as Docker;
    assert.equal(await requireManager(engine({ ControlAvailable: true, NodeID: "id", Error: "" })), "id");
    await assert.rejects(requireManager(engine({ ControlAvailable: false })), /no manager of a swarm/);
    const Error = "rpc error: code = Unknown desc = The swarm does not have a leader.";
    await assert.rejects(
      requireManager(engine({ ControlAvailable: true, NodeID: "id", Error })),
      /answers nobody.*does not have a leader/,
    );
  });

  it("takes tasks only where it is ready and nobody has said otherwise", () => {
    assert.ok(takesTasks(node({})));
    assert.ok(!takesTasks(node({ Status: { State: "down" } })));
    assert.ok(!takesTasks(node({ Spec: { Role: "worker", Availability: "pause" } })));
  });
});
