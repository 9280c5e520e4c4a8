/** What an interrupted run leaves behind, and how it is cleared. */
import { strict as assert } from "node:assert";
import { goneContainers, planRecovery, readyForRefresh, withoutPending } from "../../stack/leftovers.ts";
import { types, type State } from "../../stack/state.ts";
import { containerView } from "../support/container.ts";
import { container, urn } from "../support/state.ts";

const onEngine = (id: string) => containerView({ id, name: `name-${id}` });

describe("what an interrupted run left behind", () => {
  const state: State = {
    resources: [
      container("backend-1", "new", "backend", 1),
      container("backend-1", "old", "backend", 1, { delete: true }),
      { urn: urn("app", types.network), type: types.network, id: "net" },
    ],
    pending_operations: [{ type: "creating", resource: container("backend-2", "", "backend", 2) }],
  };

  it("is what the state does not know; what the state knows stays, even when it waits for its deletion", () => {
    const plan = planRecovery(
      state,
      [onEngine("new"), onEngine("old"), onEngine("lost")],
      [
        { id: "net", name: "app", created: "2026" },
        { id: "net2", name: "data", created: "2026" },
      ],
    );
    assert.deepEqual(
      plan.containers.map(({ id }) => id),
      ["lost"],
    );
    assert.deepEqual(
      plan.networks.map(({ id }) => id),
      ["net2"],
    );
  });

  it("is no task of a swarm: the state has its service, and the swarm would put another one in its place", () => {
    const task = containerView({ id: "task", isTask: true });
    assert.deepEqual(planRecovery(state, [task, onEngine("lost")], []).containers, [onEngine("lost")]);
  });

  it("leaves out what a run of another machine may be making", () => {
    const since = Date.parse("2026-01-01T00:10:00Z");
    const young = { ...onEngine("young"), created: "2026-01-01T00:11:00.123456789Z" };
    const net = { id: "net2", name: "data", created: young.created };
    const plan = planRecovery(state, [onEngine("lost"), young], [net], since);
    assert.deepEqual([plan.containers.map(({ id }) => id), plan.networks], [["lost"], []]);
  });

  it("leaves out a container of another machine that may take long to start, by what the container itself says", () => {
    const since = Date.parse("2026-01-01T00:10:00Z");
    const slow = (id: string, startSeconds: number) => ({
      ...onEngine(id),
      ...{ startSeconds, health: "starting", created: "2026-01-01T00:00:00Z" },
    });
    const plan = planRecovery(state, [slow("slow", 1800), slow("quick", 30)], [], since);
    assert.deepEqual(
      plan.containers.map(({ id }) => id),
      ["quick"],
    );
  });

  it("leaves out a migration that runs for another machine, however long, and clears one that has ended", () => {
    const since = Date.parse("2026-01-01T00:10:00Z");
    const migration = (id: string, state: string) =>
      containerView({ id, name: `name-${id}`, workload: "migrate", state, created: "2025-12-31T00:00:00Z" });
    const all = [migration("works", "running"), migration("ended", "exited")];
    const cleared = (until?: number) => planRecovery(state, all, [], until).containers.map(({ id }) => id);
    assert.deepEqual(cleared(since), ["ended"]);
    // Nobody else can be at work where our lock keeps everybody out.
    assert.deepEqual(cleared(), ["works", "ended"]);
  });

  it("is removed from the state, and the rest of the state stays", () => {
    assert.deepEqual(withoutPending(state), { resources: state.resources });
  });
});

describe("a container that is gone from the engine", () => {
  it("is removed from the state when its successor is there, and left to a refresh otherwise", () => {
    const successor = container("b1", "new", "backend", 1);
    const old = container("b1", "old", "backend", 1, { delete: true });
    const half = container("b2", "half", "backend", 2, { pendingReplacement: true });
    const state: State = { resources: [successor, old, half] };
    const gone = goneContainers(state, [onEngine("new")]);
    assert.deepEqual(gone, [old, half]);
    assert.deepEqual(readyForRefresh(state, gone).resources, [
      successor,
      container("b2", "half", "backend", 2),
    ]);
  });
});
