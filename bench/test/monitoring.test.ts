/** How bench:monitoring judges the alerts of a scenario. */
import { strict as assert } from "node:assert";
import { logAlerts, metricAlerts } from "../../infra/test/support/alert-cases.ts";
import { expected, judgeAlerts } from "../monitoring/expected.ts";
import { SCENARIOS } from "../resilience/scenarios/index.ts";

describe("the alerts of a scenario", () => {
  it("are right when its own came in time, and beside it only what visitors noticed", () => {
    const told = [
      { name: "ContainerRestarted", seconds: 40 },
      { name: "ErrorBudgetBurn", seconds: 90 },
    ];
    assert.deepEqual(judgeAlerts("redis-kill", told), { late: [], wrong: [] });
  });

  it("are wrong when its own is late or missing, or another one came", () => {
    assert.deepEqual(judgeAlerts("redis-kill", [{ name: "ContainerRestarted", seconds: 121 }]).late, [
      "ContainerRestarted",
    ]);
    assert.deepEqual(judgeAlerts("kill-replica", []).late, ["ContainerRestarted"]);
    assert.deepEqual(judgeAlerts("deploy", [{ name: "ReplicaDown", seconds: 5 }]).wrong, ["ReplicaDown"]);
  });

  it("are those of scenarios and rules that there are", () => {
    const scenarios = SCENARIOS.map(({ name }) => name);
    const names = [...metricAlerts(), ...logAlerts()].map(({ alert }) => alert);
    for (const [scenario, { own, also = [] }] of Object.entries(expected)) {
      assert.ok(scenarios.includes(scenario), scenario);
      for (const name of [...own, ...also]) assert.ok(names.includes(name), name);
    }
  });
});
