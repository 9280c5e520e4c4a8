/** How a page judges its connection: the score with its reasons, jitter and history. It needs no browser. */
import { strict as assert } from "node:assert";
import { QualityMeter } from "../../frontend/js/transport/quality.js";

const opened = (): QualityMeter => {
  const meter = new QualityMeter();
  meter.become("live", false);
  return meter;
};
/** The meter after these answers, in ms; null: none came. */
const after = (...trips: (number | null)[]): ReturnType<QualityMeter["read"]> => {
  const meter = opened();
  for (const ms of trips) meter.answered(ms);
  return meter.read();
};
const costs = ({ reasons }: ReturnType<QualityMeter["read"]>): [string, number][] =>
  reasons.map(({ code, cost }) => [code, cost]);

describe("the quality of a connection", () => {
  it("is whole where nothing is wrong", () => {
    const { score, grade, reasons, rttMs, jitterMs, loss } = after(20, 20, 20);
    assert.deepEqual([score, grade, reasons, rttMs, jitterMs, loss], [100, "good", [], 20, 0, 0]);
  });

  it("counts as jitter what one answer differs from the one before it, not from the mean", () => {
    assert.equal(after(10).jitterMs, undefined);
    assert.equal(after(10, 30, 10, 30).jitterMs, 20);
    assert.equal(after(10, null, 40).jitterMs, 30, "an answer that never came has no time");
    // (180 - 60) / 12 points.
    assert.deepEqual(costs(after(10, 190, 10)), [["jitter", 10]]);
  });

  it("takes off points for requests without an answer and for slow ones, the most costly first", () => {
    assert.deepEqual(costs(after(20, null, 20, null)), [["loss", 30]]);
    // (700 - 300) / 40 points.
    assert.deepEqual(costs(after(700, 700, 700, null)), [
      ["loss", 15],
      ["latency", 10],
    ]);
    const { score, grade } = after(2000, 2000, null, null);
    assert.deepEqual([score, grade], [40, "poor"]);
  });

  it("forgets answers that did not come when twenty others have", () => {
    assert.equal(after(null, ...Array<number>(19).fill(20)).loss, 0.05);
    assert.equal(after(null, ...Array<number>(20).fill(20)).loss, 0);
  });

  it("counts a reconnect once for each loss, none for a stream that ended in order, and at most a quarter of all", () => {
    const meter = opened();
    meter.become("connecting", false);
    meter.become("live", false);
    assert.equal(meter.read().reconnects, 0);
    for (let n = 0; n < 7; n += 1) {
      meter.become("connecting", true);
      meter.become("offline", true);
      meter.become("live", false);
    }
    assert.equal(meter.read().reconnects, 7);
    assert.deepEqual(costs(meter.read()), [["reconnects", 25]]);
    meter.reset();
    assert.deepEqual(costs(meter.read()).at(-1), ["resets", 10]);
  });

  it("is worse by polling, none without a connection, and no worse for a first moment", () => {
    const meter = new QualityMeter();
    assert.equal(meter.read().score, 100);
    meter.become("degraded", false);
    assert.deepEqual([meter.read().score, costs(meter.read())], [80, [["polling", 20]]]);
    meter.become("connecting", true);
    assert.equal(costs(meter.read())[0]?.[0], "connecting");
    for (const state of ["offline", "stopped"] as const) {
      meter.become(state, true);
      assert.deepEqual([meter.read().score, meter.read().grade], [0, "none"]);
    }
  });

  it("is no worse by polling where nothing else is meant", () => {
    const meter = new QualityMeter(undefined, false);
    meter.become("degraded", false);
    assert.deepEqual([meter.read().score, costs(meter.read())], [100, []]);
  });

  it("keeps a history of bounded length, the oldest first, with what was measured then", () => {
    const meter = opened();
    for (let n = 0; n < 800; n += 1) meter.answered(n === 799 ? null : 20);
    const { history } = meter.read();
    assert.equal(history.length, 720);
    assert.deepEqual(
      [history[0]?.rttMs, history[0]?.score, history.at(-1)?.rttMs, history.at(-1)?.score],
      [20, 100, null, 97],
    );
    assert.ok(history.every(({ at }, index) => index === 0 || at >= (history[index - 1]?.at ?? 0)));
  });
});
