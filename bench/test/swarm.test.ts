/** What the report on several machines says of a result, and what plain Docker is told. */
import { strict as assert } from "node:assert";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { isKept, type Row } from "../report.ts";
import type { Figures } from "../resilience/measure.ts";
import type { Result } from "../resilience/scenario.ts";
import { serviceArguments } from "../swarm/plain.ts";
import { rowsOf } from "../swarm/rows.ts";

const figures: Figures = {
  ...{ sent: [100, 100, 20], failed: [0, 0, 0], brusque: 0, slowest503Ms: 0, rowsMissing: 0, rowsDoubled: 0 },
  ...{ eventsLost: 0, eventsDoubled: 0, eventsDisordered: 0, resets: 0, refusals: 0, reconnects: 0 },
  ...{ longestSilence: 1, quietP99Ms: 5, p99Ms: 9, lastFailure: 0, generatorCpus: 0.2, reasons: [] },
};
const result = (change: Partial<Figures>, more: Partial<Result> = {}): Result => ({
  ...{ name: "deploy", what: "a deploy", date: "2026-01-02", commit: "abc", machine: "one" },
  ...{ load: { rate: 1, streams: 1, events: 1 }, busy: 0, verdicts: [], notes: [], seconds: 12 },
  figures: { ...figures, ...change },
  ...more,
});
const missed = (rows: readonly Row[]): string[] => rows.filter((row) => !isKept(row)).map(({ what }) => what);

describe("the report on several machines", () => {
  it("has each figure of the stack with its promise, and below it that of plain Docker without one", () => {
    const rows = rowsOf([{ isPlanned: true, stack: [result({})], plain: [result({ failed: [3, 4, 0] })] }]);
    assert.deepEqual(
      rows.slice(0, 2).map(({ what, values, limit, detail }) => [what, values, limit, detail]),
      [
        ["a deploy: failed requests", [0], 0, "of 220 requests; in 12 s"],
        ["a deploy, plain Docker: failed requests", [7], undefined, "of 220 requests; in 12 s"],
      ],
    );
    assert.deepEqual(missed(rows), []);
  });

  it("misses a request that failed in a planned change, a loss, and a long silence", () => {
    const stack = result({ failed: [0, 1, 0], rowsMissing: 1, resets: 1, longestSilence: 6 });
    assert.deepEqual(missed(rowsOf([{ isPlanned: true, stack: [stack], plain: [] }])), [
      "a deploy: failed requests",
      "a deploy: acknowledged rows and events lost, doubled or out of order",
      "a deploy: longest silence of a stream",
    ]);
  });

  it("lets requests fail for a time where a machine was lost, and no longer", () => {
    const failed = [5, 5, 1];
    const lost = (lastFailure: number) => ({
      ...{ isPlanned: false, stack: [result({ failed, lastFailure })], plain: [] },
    });
    assert.deepEqual(missed(rowsOf([lost(14)])), []);
    assert.deepEqual(missed(rowsOf([lost(16)])), ["a deploy: last failed request"]);
  });

  it("has a value of each run, misses what one of them missed, and tells of that one", () => {
    const stack = [result({}), result({ failed: [0, 2, 0], reasons: ["502"] }), result({})];
    const rows = rowsOf([{ isPlanned: true, stack, plain: [] }]);
    assert.deepEqual(rows[0]?.values, [0, 2, 0]);
    assert.equal(rows[0].detail, "of 220 requests; in 12 s; 502");
    assert.deepEqual(missed(rows), ["a deploy: failed requests"]);
  });

  it("says why there is no figure, and keeps nothing then", () => {
    const rows = rowsOf([
      { isPlanned: true, stack: [result({}, { figures: undefined, error: "up failed:\nno" })], plain: [] },
    ]);
    assert.equal(rows[0]?.detail, "up failed: no");
    assert.equal(missed(rows).length, rows.length);
  });
});

describe("plain Docker on several machines", () => {
  it("gets what the stack's tasks need to run, and none of what makes their change smooth", () => {
    const File = { Name: "key", UID: "1000", GID: "1000", Mode: 0o400 };
    const task = {
      ContainerSpec: { Image: "i", Env: ["A=b c"], Secrets: [{ SecretName: "s-1", File }] },
      Networks: [{ Target: "n" }],
    };
    assert.deepEqual(serviceArguments(task, "plain", 2), [
      ...["--name", "plain", "--replicas", "2", "--endpoint-mode", "dnsrr", "--network", "n"],
      ...["--env", "A=b c", "--secret", "source=s-1,target=key,uid=1000,gid=1000,mode=0400"],
    ]);
  });
});

describe("the bench of several machines", () => {
  it("begins without mocha, whose hooks the servers of the tests have, and knows its scenarios", () => {
    const bench = join(import.meta.dirname, "../swarm.ts");
    const { status, stderr } = spawnSync(process.execPath, [bench, "nothing"], { encoding: "utf8" });
    assert.equal(status, 2, stderr);
    assert.match(stderr, /There is no nothing\. Ways: stack, plain\. Scenarios: deploy, /);
  });
});
