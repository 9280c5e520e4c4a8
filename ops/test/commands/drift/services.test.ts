/** Drift of a stack on a swarm: which services there are, and whether their tasks run on all nodes. */
import { strict as assert } from "node:assert";
import { compareWithEngine } from "../../../commands/drift/compare.ts";
import { types, type State } from "../../../stack/state.ts";
import { swarmManager, swarmNode, swarmService, swarmTask } from "../../support/swarm.ts";

const declared = (workload: string) => ({
  ...{ urn: `urn:pulumi:prod::omniai::${types.service}::omniai-prod-${workload}`, type: types.service },
  ...{ id: `id-of-${workload}`, outputs: { name: `omniai-prod-${workload}` } },
});
const state: State = { resources: [declared("backend"), declared("edge")] };
const whole = {
  nodes: [swarmNode("one"), swarmNode("two")],
  services: [swarmService("backend", 2), swarmService("edge")],
  tasks: [
    swarmTask("backend", "one", { slot: 1 }),
    swarmTask("backend", "two", { slot: 2 }),
    swarmTask("edge", "one"),
    swarmTask("edge", "two"),
  ],
};
const compare = async (
  change: Partial<Parameters<typeof swarmManager>[0]> = {},
  of = state,
): Promise<string[]> => {
  const docker = swarmManager({ ...whole, ...change }, { listContainers: () => Promise.resolve([]) });
  const found = await compareWithEngine(docker, "prod", of);
  return found.map((one) => `${one.of}: ${one.fact} ${one.live}, declared ${one.declared}`);
};

describe("drift of a swarm's services", () => {
  it("is none where each is there with all of its tasks", async () => {
    assert.deepEqual(await compare(), []);
  });

  it("is a task too few, on whatever node", async () => {
    const [first, , ...others] = whole.tasks;
    assert.deepEqual(await compare({ tasks: [first, ...others].filter((task) => task !== undefined) }), [
      "omniai-prod-backend: tasks that run 1, declared 2",
    ]);
    const nodes = [swarmNode("one"), swarmNode("two", { state: "down" })];
    assert.deepEqual(await compare({ nodes }), [
      "omniai-prod-backend: tasks that run 1, declared 2",
      "omniai-prod-edge: tasks that run 1, declared 2",
    ]);
  });

  it("is a service that is gone, and one that nobody declared, but no tool of the moment", async () => {
    const tool = swarmService("maintenance");
    const unlabelled = { ...tool, Spec: { ...tool.Spec, Labels: { "io.omniai.stack": "prod" } } };
    const services = [swarmService("backend", 2), swarmService("other", 0), unlabelled];
    const found = await compare({ services });
    assert.ok(found.includes("omniai-prod-edge: service (not there), declared there"));
    assert.ok(found.includes("omniai-prod-other: service there, declared (not there)"));
    assert.ok(!found.some((one) => one.includes("maintenance")));
  });

  it("asks no engine about services where none is declared", async () => {
    const docker = swarmManager(whole, {
      listContainers: () => Promise.resolve([]),
      listServices: assert.fail,
      info: assert.fail,
    });
    assert.deepEqual(await compareWithEngine(docker, "dev", { resources: [] }), []);
  });
});
