/** The delay of events on a device whose clock is wrong. It needs no browser. */
import { strict as assert } from "node:assert";
import { Reporter } from "../../frontend/js/reporter.js";
import { Clock } from "../../frontend/js/transport/clock.js";
import type { Api } from "../../frontend/js/transport/api.js";

const AHEAD_MS = 3_600_000;

describe("the clock of the service", () => {
  it("is what delays are measured by, in what is reported as well, though this device's is wrong", async () => {
    const clock = new Clock();
    clock.answered(10, Date.now() - AHEAD_MS);
    const event = `e-${Date.now() - AHEAD_MS - 200}-0`;
    const delay = clock.delayOf(event) ?? NaN;
    assert.ok(delay >= 150 && delay < 2000, `${delay} ms`);
    const sent: { latency: { maxMs: number } }[] = [];
    const api = { post: (_: string, report: never) => (sent.push(report), Promise.resolve()) };
    const reporter = new Reporter(api as unknown as Api, "client-name", (text) => text);
    reporter.arrived(event, clock);
    await reporter.send(false);
    const { maxMs } = sent[0]?.latency ?? { maxMs: NaN };
    assert.ok(maxMs >= 150 && maxMs < 2000, `${maxMs} ms`);
  });

  it("is taken from the answer that took least, and anew when a clock was set", () => {
    const clock = new Clock();
    clock.answered(100, NaN);
    assert.equal(clock.skewMs, undefined);
    const asked = Date.now();
    clock.answered(10, asked - 5000);
    const late = Date.now() - asked;
    clock.answered(400, Date.now() - 5100);
    // 5000 ms ahead, less half of the way; this process may have had no processor in between.
    const { skewMs = NaN } = clock;
    assert.ok(skewMs >= 4995 && skewMs <= 4995 + late, `${skewMs} ms`);
    clock.answered(400, Date.now() + AHEAD_MS);
    assert.ok((clock.skewMs ?? 0) < -AHEAD_MS / 2);
    assert.equal(clock.delayOf("no id"), undefined);
  });
});
