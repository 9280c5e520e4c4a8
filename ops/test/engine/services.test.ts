/** The services of a swarm: a rolling update that is asked for and waited for. */
import { strict as assert } from "node:assert";
import type Docker from "dockerode";
import { judgeUpdate, rollService } from "../../engine/services.ts";

/** A manager whose service goes through these states once it was updated. */
function managerWith(states: readonly (string | undefined)[], tasks = 2) {
  const asked: { version: number; TaskTemplate: { ForceUpdate: number; ContainerSpec: object } }[] = [];
  const left = [...states];
  const inspect = () => {
    const State = asked.length === 0 ? "completed" : left.shift();
    return Promise.resolve({
      Version: { Index: 7 },
      Spec: { Name: "x", TaskTemplate: { ForceUpdate: 2, ContainerSpec: { Image: "i" } } },
      UpdateStatus: State === undefined ? null : { State, Message: "said so" },
    });
  };
  const update = (options: (typeof asked)[number]) => {
    asked.push(options);
    return Promise.resolve();
  };
  const listTasks = () => Promise.resolve(Array.from({ length: tasks }, () => ({})));
  const docker = { getService: () => ({ inspect, update }), listTasks };
  return { docker: docker as unknown as Docker, asked };
}

describe("a rolling update of a service", () => {
  it("changes nothing but the counter, and is waited for until it is complete", async () => {
    const { docker, asked } = managerWith([undefined, "updating", "completed"]);
    assert.deepEqual(await rollService(docker, "x"), { good: true });
    assert.equal(asked.length, 1);
    assert.equal(asked[0]?.version, 7);
    assert.deepEqual(asked[0]?.TaskTemplate, { ForceUpdate: 3, ContainerSpec: { Image: "i" } });
  });

  it("says what stopped it", async () => {
    const { docker } = managerWith(["rollback_started", "rollback_completed"]);
    assert.deepEqual(await rollService(docker, "x"), {
      good: false,
      reason: "rollback completed: said so",
    });
    assert.equal(judgeUpdate({ UpdateStatus: { State: "rollback_started" } }), undefined);
  });

  it("is not waited for where there is no task to replace", async () => {
    const { docker, asked } = managerWith([], 0);
    assert.deepEqual(await rollService(docker, "x"), { good: false, reason: "no node runs a task of it" });
    assert.deepEqual(asked, []);
  });

  it("is nothing where there is no such service", async () => {
    const gone = Object.assign(new Error("no such service"), { statusCode: 404 });
    const docker = { getService: () => ({ inspect: () => Promise.reject(gone) }) };
    assert.equal(await rollService(docker as unknown as Docker, "x"), undefined);
  });
});
