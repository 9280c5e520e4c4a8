/** The short scenarios of `npm run bench:resilience`, with less load and without their limits on response times. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runScenario } from "../../bench/resilience/scenario.ts";
import { scenarios } from "../../bench/resilience/scenarios/index.ts";
import { createStackEnvironment, type StackEnvironment } from "../../bench/resilience/stack-environment.ts";
import { buildTraffic } from "../../bench/resilience/traffic.ts";

/** Those that deploy.test.ts and the service's own tests do not have. */
const QUICK = ["scale", "edge-config", "edge-config-error", "memory", "redis-kill", "postgres-kill"];

describe("a stack under load", function () {
  this.timeout(300_000);
  const folder = mkdtempSync(join(tmpdir(), "omniai-resilience-"));
  let environment: StackEnvironment;
  let program: string;

  before(async function () {
    // The load is a program in Go; everything else here gets by without, where the toolchain can be downloaded.
    if (spawnSync("go", ["version"]).status !== 0) return this.skip();
    program = buildTraffic(folder);
    const short = { switchSeconds: 4, drainSeconds: 2, backendStartSeconds: 5 };
    environment = await createStackEnvironment(`test-scenarios-${process.pid}`, {
      ...short,
      clientReportsPerMinute: 60_000,
    });
    await environment.succeed("up", "--yes");
  });
  after(async () => {
    await environment?.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  for (const name of QUICK) {
    const scenario =
      scenarios.find((one) => one.name === name) ?? assert.fail(`there is no scenario ${name}`);
    it(`${scenario.what}: what the table promises holds`, async () => {
      const load = { rate: 40, streams: 40, events: 10 };
      const conditions = { program, load, quiet: 4, tail: 3, date: "", commit: "", machine: "" };
      const { error, notRun, verdicts, figures } = await runScenario(scenario, environment, conditions);
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
