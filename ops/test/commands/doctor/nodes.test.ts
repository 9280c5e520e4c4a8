/** What `npm run doctor` says of a swarm's nodes. */
import { strict as assert } from "node:assert";
import type Docker from "dockerode";
import { inspectNodes, judgeNodes, judgePrivileges } from "../../../commands/doctor/nodes.ts";
import type { SwarmNode } from "../../../engine/nodes.ts";

interface Change {
  readonly role?: "manager" | "worker";
  readonly availability?: SwarmNode["Spec"]["Availability"];
  readonly edge?: boolean;
  readonly state?: string;
  readonly version?: string;
  readonly architecture?: string;
  readonly reachability?: string;
}

const node = (
  name: string,
  { role = "worker", availability = "active", edge, state = "ready", ...more }: Change = {},
): SwarmNode => ({
  ID: `id-of-${name}`,
  Version: { Index: 1 },
  Spec: { Role: role, Availability: availability, Labels: edge ? { "omniai.edge": "true" } : null },
  Description: {
    Hostname: name,
    Platform: { Architecture: more.architecture ?? "x86_64", OS: "linux" },
    Resources: { NanoCPUs: 2e9, MemoryBytes: 4 * 1024 ** 3 },
    Engine: { EngineVersion: more.version ?? "26.1.5" },
  },
  Status: { State: state },
  ManagerStatus: role === "manager" ? { Reachability: more.reachability ?? "reachable" } : null,
});

const bad = (nodes: readonly SwarmNode[]): string[] =>
  judgeNodes(nodes)
    .filter(({ good }) => !good)
    .map(({ name }) => name);

describe("doctor, of a swarm's nodes", () => {
  const one = node("one", { role: "manager", edge: true });

  it("is content with nodes that are up, of one architecture, and a way in", () => {
    const found = judgeNodes([one, node("two"), node("three", { availability: "drain" })]);
    assert.deepEqual(bad([one, node("two")]), []);
    assert.equal(found[0]?.detail, "ready, manager, edge, engine 26.1.5, 2 cores, 4.0 GiB, x86_64");
    assert.match(found[2]?.detail ?? "", /^ready, drain, worker/);
  });

  it("names a node that is down, too old, or of another architecture, and what to do", () => {
    for (const [change, remedy] of [
      [{ state: "down" }, /docker node rm two/],
      [{ version: "19.03.15" }, /20\.10 or newer/],
      [{ version: "20.9.0" }, /20\.10 or newer/],
      [{ architecture: "aarch64" }, /one architecture \(x86_64\)/],
    ] as const) {
      const found = judgeNodes([one, node("two", change)]).find(({ name }) => name === "node two");
      assert.equal(found?.good, false);
      assert.match(found?.remedy ?? "", remedy);
    }
    assert.deepEqual(bad([one, node("two", { version: "20.10.24+dfsg1" })]), []);
  });

  it("wants a node for the edge that runs tasks", () => {
    assert.deepEqual(bad([node("one", { role: "manager" })]), ["nodes of the edge"]);
    assert.deepEqual(bad([{ ...one, Spec: { ...one.Spec, Availability: "drain" } }]), ["nodes of the edge"]);
  });

  it("knows that two managers are worse than one, and three with one away are two", () => {
    const manager = (name: string, reachability?: string) => node(name, { role: "manager", reachability });
    assert.deepEqual(bad([one, manager("two")]), ["managers"]);
    assert.deepEqual(bad([one, manager("two"), manager("three")]), []);
    assert.deepEqual(bad([one, manager("two"), manager("three", "unreachable")]), ["managers"]);
  });

  it("names the nodes whose engines give new privileges, and those that do not answer", () => {
    const nodes = [one, node("two"), node("three"), node("four", { state: "down" })];
    const task = (name: string, State: string) => ({ NodeID: `id-of-${name}`, Status: { State } });
    const found = judgePrivileges(nodes, [
      task("one", "complete"),
      task("two", "failed"),
      task("three", "rejected"),
    ]);
    assert.equal(found.good, false);
    assert.equal(found.detail, "not on two; no answer of three");
    const all = ["one", "two", "three"].map((name) => task(name, "complete"));
    assert.deepEqual(judgePrivileges(nodes, all), {
      name: "no-new-privileges of the engines",
      good: true,
      detail: "on all 3 nodes that run tasks",
    });
  });

  it("says that an engine is no manager, and asks it for nothing else", async () => {
    const docker = { info: () => Promise.resolve({ Swarm: { ControlAvailable: false } }) };
    const [found, ...more] = await inspectNodes(docker as unknown as Docker, "prod");
    assert.deepEqual(more, []);
    assert.match(found?.remedy ?? "", /docker swarm init/);
  });

  it("says that the managers have no leader, and of a machine that joins that it has said nothing", async () => {
    const Swarm = { ControlAvailable: true, Error: "The swarm does not have a leader." };
    const docker = { info: () => Promise.resolve({ Swarm }) };
    const [found, ...more] = await inspectNodes(docker as unknown as Docker, "prod");
    assert.deepEqual(more, []);
    assert.match(found?.detail ?? "", /does not have a leader/);
    const Description = { Platform: {}, Resources: {}, Engine: {} };
    const joining = { ...node("two", { state: "unknown" }), Description };
    assert.equal(judgeNodes([one, joining])[1]?.detail, "unknown: it has not said yet what it is");
  });
});
