/** What is told of a request that failed on a swarm: from given events and lines, without any swarm. */
import { strict as assert } from "node:assert";
import type { LoadFailure } from "../load.ts";
import { explainFailures, parseLog } from "../swarm/witness.ts";

const AT = Date.parse("2026-01-02T03:04:05.000Z");
const failure: LoadFailure = {
  n: 7,
  seconds: 0.4,
  at: AT,
  late: 3,
  id: "load-0a1b2c3d-7",
  method: "POST",
  path: "/api/events",
  status: 0,
  ms: 2,
  why: "ECONNRESET after 2 ms on a kept connection: socket hang up",
};

describe("the witness of a swarm", () => {
  it("reads the lines of a service's log with their times", () => {
    const text = [
      "2026-01-02T03:04:05.500000000Z omniai-x-edge.0.abc@worker-1    | {}",
      "not a line",
      "2026-01-02T03:04:06Z omniai-x-edge.0.abc@manager    | a | b",
    ].join("\n");
    assert.deepEqual(parseLog(text), [
      { at: AT + 500, text: "omniai-x-edge.0.abc@worker-1: {}" },
      { at: AT + 1000, text: "omniai-x-edge.0.abc@manager: a | b" },
    ]);
  });

  it("tells a failure with what was around it, in the order of time", () => {
    const events = [
      { at: AT + 1000, text: "worker-1: container kill b" },
      { at: AT - 2000, text: "worker-1: container start b" },
      { at: AT - 60_000, text: "worker-1: container start a" },
    ];
    const logs = [
      { at: AT + 100, text: "edge: 2026/01/02 03:04:05 [error] 7#7: upstream prematurely closed" },
      { at: AT + 200, text: 'edge: {"request_id":"another","status":200}' },
      // Written when it ended.
      { at: AT + 14_000, text: `edge: {"request_id":"${failure.id}","status":502}` },
      { at: AT - 3000, text: 'backend: {"msg":"accepting no more"}' },
    ];
    assert.equal(
      explainFailures([failure], events, logs),
      `#7 at 0.40 s (2026-01-02T03:04:05.000Z, 3 ms late, load-0a1b2c3d-7): POST /api/events: ${failure.why}
  -3.00 s backend: {"msg":"accepting no more"}
  -2.00 s worker-1: container start b
  +0.10 s edge: 2026/01/02 03:04:05 [error] 7#7: upstream prematurely closed
  +1.00 s worker-1: container kill b
  +14.00 s edge: {"request_id":"${failure.id}","status":502}`,
    );
  });

  it("explains the first of many, and says when nothing was seen", () => {
    const text = explainFailures(Array(7).fill(failure) as LoadFailure[], [], []);
    assert.equal(text.match(/nothing was seen around it/g)?.length, 5);
    assert.match(text, /and 2 more$/);
  });
});
