/** How the services of a stack are on the nodes of its swarm, and what of that can be known. */
import { strict as assert } from "node:assert";
import type Docker from "dockerode";
import type { SwarmNode, SwarmTask } from "../../engine/nodes.ts";
import { beyondReach, nodeTable, swarmForJson, taskCondition, taskTable } from "../../engine/swarm-report.ts";
import {
  isGoodSwarm,
  nodeProblems,
  problemsOf,
  readSwarm,
  serviceProblems,
  viewSwarm,
  type SwarmView,
} from "../../engine/swarm-view.ts";
import { swarmManager, swarmNode, swarmService, swarmTask } from "../support/swarm.ts";

const NODES = [swarmNode("manager", { role: "manager" }), swarmNode("worker")];
const SERVICES = [swarmService("edge"), swarmService("backend", 2)];
const EDGES = [swarmTask("edge", "manager"), swarmTask("edge", "worker")];
const REPLICAS = [swarmTask("backend", "manager", { slot: 1 }), swarmTask("backend", "worker", { slot: 2 })];

const viewOf = (change: Partial<Parameters<typeof viewSwarm>[0]> = {}): SwarmView =>
  viewSwarm({
    ...{ asked: "id-of-manager", nodes: NODES, services: SERVICES, tasks: [...EDGES, ...REPLICAS] },
    ...change,
  });
const statesOf = (view: SwarmView, workload: string): string[] =>
  (view.services.find((service) => service.workload === workload)?.tasks ?? []).map(
    (task) => `${task.name}@${task.node}: ${taskCondition(task)}`,
  );

describe("the services of a swarm", () => {
  it("are healthy where each has its tasks, wherever these are", () => {
    const view = viewOf();
    assert.ok(isGoodSwarm(view));
    assert.deepEqual(
      view.services.map(({ workload, desired, running }) => [workload, desired, running]),
      [
        ["backend", 2, 2],
        ["edge", 2, 2],
      ],
    );
    assert.deepEqual(statesOf(view, "backend"), [
      "omniai-prod-backend.1@manager: healthy",
      "omniai-prod-backend.2@worker: healthy",
    ]);
    assert.deepEqual(statesOf(view, "edge"), [
      "omniai-prod-edge.manager@manager: healthy",
      "omniai-prod-edge.worker@worker: healthy",
    ]);
  });

  it("are not healthy without a service, and have no word for one without a check", () => {
    assert.ok(!isGoodSwarm(viewOf({ services: [] })));
    const unchecked = [swarmService("edge", undefined, { container: { Healthcheck: null } })];
    assert.match(statesOf(viewOf({ services: unchecked }), "edge")[0] ?? "", /running \(no health check\)/);
  });

  it("leave out the tools that work for a moment", () => {
    const tool = swarmService("maintenance");
    const unlabelled = { ...tool, Spec: { ...tool.Spec, Labels: { "io.omniai.stack": "prod" } } };
    assert.equal(viewOf({ services: [...SERVICES, unlabelled] }).services.length, 2);
  });

  it("of a node that does not answer are not known to run, whatever the manager heard last", () => {
    const down = [NODES[0] as SwarmNode, swarmNode("worker", { state: "down" })];
    const view = viewOf({ nodes: down });
    assert.deepEqual(statesOf(view, "backend"), [
      "omniai-prod-backend.1@manager: healthy",
      "omniai-prod-backend.2@worker: not known: its node does not answer",
    ]);
    const task = swarmForJson(view).containers.find(({ node }) => node === "worker");
    assert.deepEqual([task?.state, task?.health], ["unknown", "unknown"]);
    assert.deepEqual(problemsOf(view), [
      "Of omniai-prod-backend, 1 of 2 run.",
      "Of omniai-prod-edge, 1 of 2 run.",
      "Node worker is down, and no edge serves there.",
    ]);
    // The swarm has begun others, and wants the old ones no more.
    const moved = [
      EDGES[0] as SwarmTask,
      swarmTask("edge", "worker", { wanted: "shutdown" }),
      REPLICAS[0] as SwarmTask,
      swarmTask("backend", "worker", { slot: 2, wanted: "shutdown" }),
      swarmTask("backend", "manager", { slot: 2 }),
    ];
    const whole = viewOf({ nodes: down, tasks: moved });
    assert.deepEqual(serviceProblems(whole), []);
    assert.deepEqual(nodeProblems(whole), ["Node worker is down, and no edge serves there."]);
    assert.ok(!isGoodSwarm(whole));
    assert.match(statesOf(whole, "backend").join("\n"), /backend\.2@worker: not known/);
  });

  it("are shown while a machine is joining that has not said what it is", () => {
    const { Description, ...joining } = swarmNode("joining", { state: "unknown" });
    const nodes = [...NODES, { ...joining, Description: { ...Description, Hostname: undefined } }];
    assert.match(nodeTable(viewOf({ nodes })).join("\n"), /id-of-joining +unknown/);
  });

  it("are well on nodes that the operator has taken out, whatever became of those", () => {
    const drained = [NODES[0] as SwarmNode, swarmNode("worker", { state: "down", availability: "drain" })];
    const tasks = [EDGES[0], REPLICAS[0], swarmTask("backend", "manager", { slot: 2 })].filter(
      (task) => task !== undefined,
    );
    const view = viewOf({ nodes: drained, tasks });
    assert.deepEqual(problemsOf(view), []);
    assert.match(nodeTable(view).join("\n"), /worker +down +drain +worker, edge/);
  });

  it("say why a task does not run: its own reason, or that of the one before it", () => {
    const failed = { slot: 2, state: "failed", wanted: "shutdown", error: "task: non-zero exit (1)" };
    const view = viewOf({
      tasks: [
        ...EDGES,
        swarmTask("backend", "manager", { slot: 1 }),
        swarmTask("backend", "worker", {
          ...failed,
          id: "older",
          error: "older",
          created: "2026-11-28T06:00:00Z",
        }),
        swarmTask("backend", "worker", { ...failed, id: "newer", created: "2026-11-28T06:30:00Z" }),
        swarmTask("backend", "worker", { slot: 2, state: "starting" }),
      ],
    });
    assert.deepEqual(problemsOf(view), ["Of omniai-prod-backend, 1 of 2 run: task: non-zero exit (1)."]);
    assert.match(taskTable(view).join("\n"), /worker +starting \(task: non-zero exit \(1\)\)/);
    const nowhere = swarmTask("backend", "", { slot: 2, state: "pending", error: "no suitable node" });
    const pending = viewOf({ tasks: [...EDGES, swarmTask("backend", "manager", { slot: 1 }), nowhere] });
    assert.match(taskTable(pending).join("\n"), /\(no node\) +pending \(no suitable node\)/);
  });

  it("count a place once while a new task is beside the old one, and one that ends not at all", () => {
    const tasks = [...EDGES, ...REPLICAS, swarmTask("backend", "manager", { slot: 2, id: "new" })];
    assert.equal(viewOf({ tasks }).services[0]?.running, 2);
    const ending = [
      ...EDGES,
      swarmTask("backend", "manager", { slot: 1 }),
      swarmTask("backend", "worker", { slot: 2, wanted: "shutdown" }),
    ];
    const view = viewOf({ tasks: ending });
    assert.equal(view.services[0]?.running, 1);
    assert.match(statesOf(view, "backend").join("\n"), /backend\.2@worker: stopping/);
  });

  it("run nowhere where no node is labelled for them", () => {
    assert.match(problemsOf(viewOf({ tasks: REPLICAS })).join(), /omniai-prod-edge runs nowhere: no node/);
  });

  it("tell of a change that did not come through", () => {
    const UpdateStatus = { State: "rollback_completed", Message: "rollback completed" };
    const view = viewOf({ services: [swarmService("backend", 2, { UpdateStatus })] });
    assert.equal(view.services[0]?.update, "went back to the release before (rollback completed)");
    assert.ok(isGoodSwarm(view));
  });

  it("are told with what only the engine of a node could say", () => {
    assert.match(beyondReach(viewOf()) ?? "", /shown for manager\.$/);
    const alone = [EDGES[0], REPLICAS[0]].filter((task) => task !== undefined);
    assert.equal(beyondReach(viewOf({ tasks: alone })), undefined);
  });

  it("are read from a manager, and from nobody else", async () => {
    const read = { nodes: NODES, services: SERVICES, tasks: [...EDGES, ...REPLICAS] };
    assert.ok(isGoodSwarm(await readSwarm(swarmManager(read), "prod")));
    const worker = { info: () => Promise.resolve({ Swarm: { ControlAvailable: false } }) };
    await assert.rejects(readSwarm(worker as unknown as Docker, "prod"), /no manager of a swarm/);
    const leaderless = Object.assign(new Error("The swarm does not have a leader."), { statusCode: 503 });
    const docker = swarmManager(read, { listNodes: () => Promise.reject(leaderless) });
    await assert.rejects(
      readSwarm(docker, "prod"),
      /answers nobody, so nothing of it is known: The swarm does not have a leader/,
    );
  });
});
