/** What `npm run restart` replaces, and what it says about other changes. */
import { strict as assert } from "node:assert";
import { describeChanges, nodesThatKeep, replicaUrns, workloadsOf } from "../../commands/restart.ts";
import { viewSwarm } from "../../engine/swarm-view.ts";
import { types, type State } from "../../stack/state.ts";
import { container, urn } from "../support/state.ts";
import { swarmNode, swarmService, swarmTask } from "../support/swarm.ts";

describe("restart", () => {
  const state: State = {
    resources: [
      container("b2", "2", "backend", 2),
      container("b1", "1", "backend", 1),
      container("b1", "0", "backend", 1, { delete: true }),
      container("r", "3", "redis", 1),
    ],
  };

  it("goes through the replicas in order, without those that wait for their deletion", () => {
    assert.deepEqual(replicaUrns(state, "backend"), [urn("b1"), urn("b2")]);
    assert.deepEqual(workloadsOf(state), ["backend", "redis"]);
  });

  it("names a replacement once, not each of its steps", () => {
    const type = types.container;
    const changes = ["create-replacement", "replace", "delete-replaced"].map((op) => ({
      op,
      urn: urn("b1"),
      type,
    }));
    assert.equal(describeChanges(changes), "replace Container b1");
  });

  it("of a service leaves the tasks on paused nodes as they are", () => {
    const nodes = [swarmNode("one"), swarmNode("two", { availability: "pause" })];
    const edges = [swarmTask("edge", "one"), swarmTask("edge", "two")];
    const keep = (tasks: typeof edges) => {
      const view = viewSwarm({ asked: "", nodes, services: [swarmService("edge")], tasks });
      return view.services.flatMap((service) => nodesThatKeep(view, service));
    };
    assert.deepEqual(keep(edges), ["two"]);
    const moved = swarmTask("edge", "two", { wanted: "shutdown" });
    assert.deepEqual(keep([...edges.slice(0, 1), moved]), []);
  });
});
