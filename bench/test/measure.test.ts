/** Proves that the figures of a load are right, and that a scenario which breaks a promise is reported. */
import { strict as assert } from "node:assert";
import { nothingDropped } from "../resilience/judge.ts";
import { measure, parseRows, timeline } from "../resilience/measure.ts";
import { merge, renderTable } from "../resilience/report.ts";
import type { Result } from "../resilience/scenario.ts";
import { EVENT, GET, ROW, type Account, type Failure, type Sample } from "../resilience/traffic.ts";

const BEGAN = 1_000_000;

/** Ten seconds before the act and ten after it, with one GET and one row a second that take 10 ms each. */
function account(failures: readonly Failure[] = [], streams: Partial<Account["streams"]> = {}): Account {
  const samples = Array.from({ length: 20 }, (_, second): Sample[] => [
    [BEGAN + (second - 10) * 1000, GET, 10, 200, 0],
    [BEGAN + (second - 10) * 1000, ROW, 10, failures.some(({ number }) => number === second) ? 503 : 202, -1],
  ]).flat();
  return {
    requests: { samples, failures, replicas: ["a"], sent: [20, 20, 0] },
    streams: {
      ...{ count: 2, acknowledged: 0, delivered: 0, lost: 0, doubled: 0, disordered: 0, resets: 0 },
      ...{ reconnects: 0, refusals: 0, silences: [], series: [[BEGAN, 2, 0]] },
      ...streams,
    },
    certificates: {},
    cpuSeconds: 2,
  };
}

const stored = (numbers: readonly number[]) =>
  parseRows(numbers.map((number) => `run-${String(number).padStart(8, "0")}`).join("\n"), "run");
const ALL = Array.from({ length: 20 }, (_, number) => number);
const figuresOf = (given: Account, numbers: readonly number[]) =>
  measure(given, stored(numbers), BEGAN, BEGAN + 10_000);
const broken = (given: Account, numbers: readonly number[]): string[] =>
  nothingDropped({
    ...{ account: given, failures: [], replicas: [], began: BEGAN, ended: BEGAN + 10_000 },
    figures: figuresOf(given, numbers),
  })
    .filter(({ holds }) => !holds)
    .map(({ what }) => what);

const refused = (number: number): Failure => ({
  ...{ at: BEGAN + 2000, kind: ROW, number, ms: 1700, status: 503, retryAfter: "2", why: "no" },
});

describe("the account of a scenario", () => {
  it("finds nothing where nothing was lost", () => {
    assert.deepEqual(broken(account(), ALL), []);
  });

  it("reports an acknowledged row that is missing from the database, and no other row", () => {
    assert.deepEqual(broken(account(), ALL.slice(1)), ["acknowledged rows missing: 1"]);
    assert.equal(
      figuresOf(
        account([refused(3)]),
        ALL.filter((number) => number !== 3),
      ).rowsMissing,
      0,
    );
  });

  it("reports a row that was written twice", () => {
    assert.deepEqual(broken(account(), [...ALL, 7]), ["rows doubled: 1"]);
  });

  it("counts failures by kind, separates 503 with Retry-After from others, and times the last one", () => {
    const figures = figuresOf(account([refused(3), { ...refused(4), retryAfter: undefined }]), ALL);
    assert.deepEqual(figures.failed, [0, 2, 0]);
    assert.equal(figures.brusque, 1);
    assert.equal(figures.slowest503Ms, 1700);
    assert.equal(figures.lastFailure, 2);
    assert.equal(figures.sent[EVENT], 0);
  });

  it("counts silences that reach into the act, and not those before it", () => {
    const silence = (from: number, to: number) => ({ from: BEGAN + from, to: BEGAN + to, stream: 0 });
    const before = account([], { silences: [silence(-9000, -1000)] });
    assert.equal(figuresOf(before, ALL).longestSilence, 0);
    const into = account([], { silences: [silence(-1000, 5000)] });
    assert.deepEqual(broken(into, ALL), ["longest silence of a stream: 6.0 s, at most 5 s"]);
  });

  it("has a value for each second of the chart", () => {
    const { from, answered, failed, streams, replicas, p99Ms } = timeline(
      account([refused(3)]),
      [{ at: BEGAN + 500, running: 2, healthy: 1 }],
      BEGAN,
      BEGAN + 10_000,
    );
    assert.equal(from, -10);
    assert.deepEqual([answered.length, failed.length, streams.length, replicas.length], [20, 20, 20, 20]);
    assert.equal(failed[12], 1);
    assert.equal(
      answered.reduce((sum, value) => sum + value, 0),
      40,
    );
    assert.equal(replicas[15], 1);
    assert.deepEqual(p99Ms, Array(20).fill(10));
  });
});

describe("the table", () => {
  const result = (name: string, date: string, more: Partial<Result> = {}): Result => ({
    ...{ name, what: `what ${name} is`, date, commit: "abc", machine: "m", busy: 0 },
    ...{ load: { rate: 1, streams: 1, events: 1 }, verdicts: [], notes: [] },
    ...more,
  });

  it("keeps the scenarios that did not run now, in the order of the list", () => {
    const merged = merge([result("a", "old"), result("b", "old")], [result("a", "new")], ["b", "a", "c"]);
    assert.deepEqual(
      merged.map(({ name, date }) => `${name} ${date}`),
      ["b old", "a new"],
    );
  });

  it("keeps the earlier result of a scenario that could not be measured now, and says if there never was one", () => {
    const now = [result("a", "new", { notRun: "busy" }), result("b", "new", { notRun: "busy" })];
    const merged = merge([result("a", "old")], now, ["a", "b"]);
    assert.deepEqual(
      merged.map(({ name, date, notRun }) => `${name} ${date} ${notRun ?? ""}`),
      ["a old ", "b new busy"],
    );
  });

  it("says for each scenario whether it held, was not run, or failed", () => {
    const figures = figuresOf(account(), ALL);
    const rows = renderTable([
      result("good", "d", { figures, verdicts: [{ what: "x", holds: true }] }),
      result("bad", "d", { figures, verdicts: [{ what: "y: 3", holds: false }] }),
      result("absent", "d", { notRun: "no such command" }),
      result("broken", "d", { error: "it | broke" }),
    ]).split("\n");
    assert.match(rows[2] ?? "", /\| holds \| 0 of 20 \| 0 of 20 \| 0 \/ 0 \|/);
    assert.match(rows[3] ?? "", /\*\*does not hold\*\*.*\*\*y: 3\*\*/);
    assert.match(rows[4] ?? "", /not run.*no such command/);
    assert.match(rows[5] ?? "", /\*\*failed\*\*.*it \\\| broke/);
  });
});
