/** How bench:monitoring judges the alerts of a scenario. */
import { strict as assert } from "node:assert";
import { logAlerts, metricAlerts } from "../../infra/test/support/alert-cases.ts";
import { expected, judgeAlerts } from "../monitoring/expected.ts";
import { SCENARIOS } from "../resilience/scenarios/index.ts";

describe("the alerts of a scenario", () => {
  const restarted = (workload: string, seconds = 40) => ({ name: "ContainerRestarted", workload, seconds });

  it("are right when its own came in time, and another one only where the load has seen what it says", () => {
    const told = [restarted("redis"), { name: "ErrorBudgetBurn", seconds: 90 }];
    assert.deepEqual(judgeAlerts("redis-kill", told, 0.02), { late: [], wrong: [] });
    assert.deepEqual(judgeAlerts("redis-kill", told, 0.004), { late: [], wrong: ["ErrorBudgetBurn"] });
  });

  it("may be one of several, and is late where none of them came", () => {
    const memory = (...names: string[]) =>
      judgeAlerts(
        "memory",
        names.map((name) => ({ name, workload: "backend", seconds: 30 })),
        0,
      );
    for (const name of ["ContainerOutOfMemory", "ContainerRestarted"])
      assert.deepEqual(memory(name), { late: [], wrong: [] });
    assert.deepEqual(memory().late, ["ContainerOutOfMemory of backend or ContainerRestarted of backend"]);
    assert.deepEqual(memory("ReplicaDown").wrong, ["ReplicaDown of backend"]);
  });

  it("are wrong when its own is late, missing or about another container, or another one came", () => {
    assert.deepEqual(judgeAlerts("redis-kill", [restarted("redis", 121)], 0), {
      late: ["ContainerRestarted of redis"],
      wrong: [],
    });
    assert.deepEqual(judgeAlerts("kill-replica", [], 0).late, ["ContainerRestarted of backend"]);
    assert.deepEqual(judgeAlerts("kill-replica", [restarted("edge")], 0), {
      late: ["ContainerRestarted of backend"],
      wrong: ["ContainerRestarted of edge"],
    });
    const down = { name: "ReplicaDown", workload: "backend", seconds: 5 };
    assert.deepEqual(judgeAlerts("deploy", [down], 1).wrong, ["ReplicaDown of backend"]);
  });

  it("may be about any container only where the whole engine was stopped", () => {
    assert.deepEqual(judgeAlerts("engine", [restarted("edge"), restarted("vmalert")], 0.5), {
      late: [],
      wrong: [],
    });
    const down = { name: "ContainerDown", workload: "edge", seconds: 30 };
    assert.deepEqual(judgeAlerts("engine", [restarted("edge"), down], 0.5).wrong, ["ContainerDown of edge"]);
  });

  it("are those of scenarios and rules that there are", () => {
    const scenarios = SCENARIOS.map(({ name }) => name);
    const names = [...metricAlerts(), ...logAlerts()].map(({ alert }) => alert);
    for (const [scenario, { own, oneOf = [], perhaps = [] }] of Object.entries(expected)) {
      assert.ok(scenarios.includes(scenario), scenario);
      for (const name of [...own, ...oneOf, ...perhaps])
        assert.ok(names.includes(name.split(" ", 1)[0] ?? ""), name);
    }
  });
});
