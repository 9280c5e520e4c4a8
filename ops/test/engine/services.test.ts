/** The services of a swarm: a rolling update that is asked for and waited for. */
import { strict as assert } from "node:assert";
import type Docker from "dockerode";
import { judgeUpdate, rollService } from "../../engine/services.ts";

const task = { Status: { State: "running" } };

/** A manager whose service goes through these states once it was updated. */
function managerWith(states: readonly (string | undefined)[], tasks: readonly object[] = [task, task]) {
  const asked: { version: number; TaskTemplate: { ForceUpdate: number; ContainerSpec: object } }[] = [];
  const left = [...states];
  const inspect = () => {
    // The last of them stays.
    const State = asked.length === 0 ? "completed" : left.length > 1 ? left.shift() : left[0];
    return Promise.resolve({
      ID: "id-of-x",
      Version: { Index: 7 },
      Spec: { Name: "x", TaskTemplate: { ForceUpdate: 2, ContainerSpec: { Image: "i" } } },
      UpdateStatus: State === undefined ? null : { State, Message: "said so" },
    });
  };
  const update = (options: (typeof asked)[number]) => {
    asked.push(options);
    return Promise.resolve();
  };
  const listTasks = () => Promise.resolve(tasks);
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
    const { docker, asked } = managerWith([], []);
    assert.deepEqual(await rollService(docker, "x"), { good: false, reason: "no node runs a task of it" });
    assert.deepEqual(asked, []);
  });

  it("is given up where no node takes a new task, or where the swarm does not begin, and says which", async () => {
    const homeless = { Status: { State: "pending", Err: "no suitable node (2 nodes not available)" } };
    assert.deepEqual(await rollService(managerWith(["updating"], [task, homeless]).docker, "x", 0), {
      good: false,
      reason: "a new task finds no node: no suitable node (2 nodes not available)",
    });
    assert.deepEqual(await rollService(managerWith([undefined]).docker, "x", 0), {
      good: false,
      reason: "the swarm does not begin: the nodes of its tasks take no new ones",
    });
    // It may be in no hurry, as long as it goes on.
    const { docker } = managerWith(["updating", "updating", "completed"]);
    assert.deepEqual(await rollService(docker, "x", 0), { good: true });
  });

  it("is asked for anew where the service was changed since it was read, and not without end", async () => {
    const conflict = Object.assign(new Error("rpc error: code = Unknown desc = update out of sequence"), {
      statusCode: 500,
    });
    for (const [refusals, takes] of [
      [1, true],
      [9, false],
    ] as const) {
      const { docker, asked } = managerWith(["completed"]);
      const service = docker.getService("x");
      let count = 0;
      const refusing = {
        inspect: () => service.inspect(),
        update: (options: object) =>
          count++ < refusals ? Promise.reject(conflict) : service.update(options),
      };
      const rolled = rollService({ ...docker, getService: () => refusing } as unknown as Docker, "x");
      if (takes) assert.deepEqual(await rolled, { good: true });
      else await assert.rejects(rolled, /did not take a change of service id-of-x/);
      assert.equal(asked.length, takes ? 1 : 0);
    }
  });

  it("is nothing where there is no such service", async () => {
    const gone = Object.assign(new Error("no such service"), { statusCode: 404 });
    const docker = { getService: () => ({ inspect: () => Promise.reject(gone) }) };
    assert.equal(await rollService(docker as unknown as Docker, "x"), undefined);
  });
});
