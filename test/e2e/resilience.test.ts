/** The rows of `npm run bench:resilience` that are over soon, with less load and without its times of answers. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runRow } from "../../bench/resilience/scenario.ts";
import { rows } from "../../bench/resilience/scenarios/index.ts";
import { createScene, type Scene } from "../../bench/resilience/stack-environment.ts";
import { buildTraffic } from "../../bench/resilience/traffic.ts";

/** Those that deploy.test.ts and the service's own tests do not have. */
const QUICK = ["scale", "edge-config", "edge-config-error", "memory", "redis-kill", "postgres-kill"];

describe("a stack under load", function () {
  this.timeout(300_000);
  const folder = mkdtempSync(join(tmpdir(), "omniai-resilience-"));
  let scene: Scene;
  let program: string;

  before(async function () {
    // The load is a program in Go; everything else here gets by without, where the toolchain can be downloaded.
    if (spawnSync("go", ["version"]).status !== 0) return this.skip();
    program = buildTraffic(folder);
    const short = { switchSeconds: 4, drainSeconds: 2, backendStartSeconds: 5 };
    scene = await createScene(`rows-${process.pid}`, { ...short, clientReportsPerMinute: 60_000 });
    await scene.succeed("up", "--yes");
  });
  after(async () => {
    await scene?.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  for (const name of QUICK) {
    const row = rows.find((one) => one.name === name) ?? assert.fail(`there is no row ${name}`);
    it(`${row.what}: what the table promises holds`, async () => {
      const load = { rate: 40, streams: 40, events: 10 };
      const conditions = { program, load, quiet: 4, tail: 3, date: "", commit: "", machine: "" };
      const { error, notRun, verdicts, figures } = await runRow(row, scene, conditions);
      assert.equal(error ?? notRun, undefined);
      // A machine that runs all tests says nothing about times of answers.
      const broken = verdicts.filter(({ what, holds }) => !holds && !what.startsWith("p99"));
      assert.deepEqual(
        broken.map(({ what }) => what),
        [],
        figures?.reasons.join("\n"),
      );
      assert.ok(verdicts.length > 6, "nothing was judged");
    });
  }
});
