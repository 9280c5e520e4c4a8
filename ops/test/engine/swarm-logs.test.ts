/** Whose each line of a swarm's logs is, and which lines are shown. */
import { strict as assert } from "node:assert";
import { Readable } from "node:stream";
import { SwarmLogs, type SwarmLine } from "../../engine/swarm-logs.ts";
import { detailed, frame } from "../support/frames.ts";
import { swarmManager, swarmNode, swarmService, swarmTask } from "../support/swarm.ts";

const NODES = [swarmNode("manager"), swarmNode("worker")];
const SERVICES = [swarmService("edge"), swarmService("backend", 2)];
const over = { slot: 2, wanted: "shutdown" };
const TASKS = [
  swarmTask("edge", "worker", { id: "edge" }),
  swarmTask("backend", "manager", { slot: 1, id: "one" }),
  swarmTask("backend", "worker", { slot: 2, id: "two" }),
  swarmTask("backend", "worker", { ...over, state: "shutdown", id: "replaced" }),
  swarmTask("backend", "worker", { ...over, state: "failed", id: "failed" }),
];
const written: Readonly<Record<string, Buffer>> = {
  "id-of-edge": detailed("edge", "asked\n"),
  "id-of-backend": Buffer.concat([
    detailed("two", "b1\n"),
    detailed("one", "a\n"),
    detailed("replaced", "of yesterday\n"),
    detailed("failed", "why\n"),
    detailed("two", "b2\n"),
    frame(3, "Error grabbing logs: node id-of-worker is not available\n"),
  ]),
};

const open = (logs = written): Promise<SwarmLogs> =>
  SwarmLogs.open(
    swarmManager(
      { nodes: NODES, services: SERVICES, tasks: TASKS },
      {
        getService: (id: string) => ({
          logs: ({ follow }: { follow: boolean }) =>
            Promise.resolve(follow ? Readable.from([logs[id]]) : logs[id]),
        }),
        getTask: (id: string) => ({
          inspect: () =>
            id === "begun"
              ? Promise.resolve(swarmTask("backend", "manager", { slot: 2, id }))
              : Promise.reject(Object.assign(new Error("no such task"), { statusCode: 404 })),
        }),
      },
    ),
    "prod",
  );
const shown = ({ label, text }: SwarmLine): string => `${label} | ${text}`;

describe("the logs of a swarm", () => {
  it("have the replica and the node before each line, task after task, without those that were replaced", async () => {
    const { lines, missing } = await (await open()).read(undefined, { tail: 10 });
    assert.deepEqual(lines.map(shown), [
      "backend.1@manager | a",
      "backend.2@worker | b1",
      "backend.2@worker | why",
      "backend.2@worker | b2",
      "edge@worker | asked",
    ]);
    assert.deepEqual(missing, [
      "Some lines of omniai-prod-backend are missing: node worker is not available.",
    ]);
  });

  it("are those of one workload where one is named", async () => {
    const swarm = await open();
    assert.deepEqual(swarm.workloads, ["backend", "edge"]);
    assert.equal(await swarm.width(), "backend.1@manager".length);
    const { lines } = await swarm.read("edge", { tail: 10 });
    assert.deepEqual(lines.map(shown), ["edge@worker | asked"]);
  });

  it("are followed in their order, also of tasks that begin later and of those that are gone", async () => {
    const logs = {
      ...written,
      "id-of-backend": Buffer.concat([
        detailed("begun", "1\n"),
        detailed("one", "a\n"),
        detailed("begun", "2\n"),
        detailed("replaced", "of yesterday\n"),
        detailed("gone", "last words\n"),
      ]),
    };
    const lines: string[] = [];
    const missing: string[] = [];
    const swarm = await open(logs);
    await swarm.follow(
      "backend",
      { tail: 10 },
      (line) => lines.push(shown(line)),
      (what) => missing.push(what),
    );
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(
      lines.filter((line) => line.startsWith("backend.2")),
      ["backend.2@manager | 1", "backend.2@manager | 2"],
    );
    assert.deepEqual([...lines].sort(), [
      "backend.1@manager | a",
      "backend.2@manager | 1",
      "backend.2@manager | 2",
      "gone | last words",
    ]);
    assert.deepEqual(missing, []);
  });
});
