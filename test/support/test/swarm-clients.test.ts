/** Which failures of clients a lost machine may have caused. */
import { strict as assert } from "node:assert";
import type { LoadFailure } from "../load.ts";
import { assertOnlyInFlight, BACK_SECONDS } from "../swarm/clients.ts";
import type { TrafficResult } from "../traffic.ts";

const LOST = Date.parse("2026-01-02T03:04:05.000Z");

/** @param seconds after the loss, when it was sent. @param ms how long it took */
const failed = (seconds: number, ms = 10): LoadFailure => ({
  ...{ n: 1, seconds: 100 + seconds, at: LOST + seconds * 1000, late: 0, id: "load-1", method: "GET" },
  ...{ path: "/api/diag", status: 0, ms, why: "ECONNRESET" },
});
const result = (...failures: LoadFailure[]): TrafficResult => ({
  ...{
    sent: 10,
    failures,
    elsewhere: 0,
    latencies: [],
    acknowledged: [3],
    seen: [[3]],
    refusals: 2,
    resets: 0,
    stalls: [],
  },
});

describe("clients of a lost machine", () => {
  it("may have lost what was in flight, for as long as it takes to be found out", () => {
    assertOnlyInFlight(result(failed(-2, 5000), failed(1), failed(BACK_SECONDS)), LOST);
  });

  it("have lost too much where a request failed before it, or too late", () => {
    for (const failure of [failed(-2), failed(BACK_SECONDS + 1)])
      assert.throws(() => assertOnlyInFlight(result(failure), LOST), /still failed 15 s after/);
  });

  it("may lose some once more where the network comes back, and not between", () => {
    const back = LOST + 30_000;
    assertOnlyInFlight(result(failed(1), failed(31)), LOST, back);
    assert.throws(() => assertOnlyInFlight(result(failed(20)), LOST, back), /still failed/);
  });

  it("have lost too much where an acknowledged event is missing", () => {
    assert.throws(() => assertOnlyInFlight({ ...result(), seen: [[]] }, LOST), /events were lost/);
  });
});
