/** PostgreSQL and Redis are stopped, killed, or have no disk space. */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { call, eventually } from "../../../test/support/http.ts";
import { docker } from "../../../test/support/stack.ts";
import { atMost, nothingLost } from "../judge.ts";
import type { Evidence, Scenario, Verdict } from "../scenario.ts";
import type { StackEnvironment } from "../stack-environment.ts";
import { GET } from "../traffic.ts";
import { noneRestarted, restartsOf } from "./restarts.ts";

const isReady = async (environment: StackEnvironment): Promise<boolean> =>
  (await call(`${environment.stack.http}/readyz`)).status === 200;

/** Every refusal is a 503 with Retry-After and comes quickly. */
const politely = ({ figures }: Evidence): Verdict[] => [
  { what: `failures without 503 and Retry-After: ${figures.brusque}`, holds: figures.brusque === 0 },
  atMost("slowest 503", figures.slowest503Ms / 1000, 2, "s"),
];

const fullServiceAfter = ({ figures }: Evidence, seconds: number): Verdict =>
  atMost("last failed request after", figures.lastFailure, seconds, "s");

const redis: Scenario<StackEnvironment> = {
  name: "redis-kill",
  what: "SIGKILL of Redis",
  async act(environment, began) {
    const before = await restartsOf(environment);
    const name = await environment.one("redis");
    process.kill(await environment.pidOf(name), "SIGKILL");
    await eventually("an event after it", 60, async () => {
      const body = { type: "probe", data: {} };
      return (await call(`${environment.stack.https}/api/events`, { method: "POST", body })).status === 201;
    });
    const recovery = (Date.now() - began) / 1000;
    await sleep(10_000);
    return { recovery, verdicts: [await noneRestarted(environment, before, name)] };
  },
  judge: (evidence) => [
    ...nothingLost(evidence),
    atMost("longest silence of a stream", evidence.figures.longestSilence, 10, "s"),
    { what: `streams refused: ${evidence.figures.refusals}`, holds: evidence.figures.refusals === 0 },
  ],
};

/** Pauses PostgreSQL for so many seconds, and waits until the stack is ready again. */
async function pausePostgres(environment: StackEnvironment, seconds: number): Promise<void> {
  const container = docker.getContainer(await environment.one("postgres"));
  await container.pause();
  try {
    await sleep(seconds * 1000);
  } finally {
    await container.unpause();
  }
  await eventually("readiness", 60, () => isReady(environment));
}

const PAUSE = 20;

const paused: Scenario<StackEnvironment> = {
  name: "postgres-pause",
  what: `PostgreSQL paused for ${PAUSE} s`,
  async act(environment, began) {
    const before = await restartsOf(environment);
    await pausePostgres(environment, PAUSE);
    const recovery = (Date.now() - began) / 1000 - PAUSE;
    await sleep(10_000);
    return { recovery, verdicts: [await noneRestarted(environment, before)] };
  },
  judge: (evidence) => [
    ...nothingLost(evidence),
    ...politely(evidence),
    fullServiceAfter(evidence, PAUSE + 10),
  ],
};

const PAUSES = 10;
/** Longer than the first 503 may take, and long enough apart for the pools to be whole again, s. */
const [PAUSED, BETWEEN] = [4, 6];

/** One pause tells of one state of the connections; each of these begins in another one. */
const pausedOften: Scenario<StackEnvironment> = {
  name: "postgres-pauses",
  what: `PostgreSQL paused for ${PAUSED} s, ${PAUSES} times`,
  async act(environment) {
    const before = await restartsOf(environment);
    for (let turn = 0; turn < PAUSES; turn++) {
      await pausePostgres(environment, PAUSED);
      await sleep(BETWEEN * 1000);
    }
    return { verdicts: [await noneRestarted(environment, before)] };
  },
  judge: (evidence) => [...nothingLost(evidence), ...politely(evidence)],
};

const killed: Scenario<StackEnvironment> = {
  name: "postgres-kill",
  what: "SIGKILL of PostgreSQL",
  async act(environment, began) {
    const name = await environment.one("postgres");
    const before = await restartsOf(environment);
    process.kill(await environment.pidOf(name), "SIGKILL");
    await eventually("a restart", 30, async () => (await restartsOf(environment))[name] !== before[name]);
    await eventually("readiness", 60, () => isReady(environment));
    const recovery = (Date.now() - began) / 1000;
    await sleep(10_000);
    return { recovery, verdicts: [await noneRestarted(environment, before, name)] };
  },
  judge: (evidence) => [...nothingLost(evidence), ...politely(evidence), fullServiceAfter(evidence, 10)],
};

const run = (program: string, ...args: string[]): string =>
  execFileSync(program, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });

/** The folder in which the engine keeps PostgreSQL's data. */
const dataFolder = (environment: StackEnvironment): string =>
  run(
    "docker",
    "volume",
    "inspect",
    "-f",
    "{{.Mountpoint}}",
    `omniai-${environment.stack.name}-postgres-data`,
  ).trim();

async function restartPostgres(environment: StackEnvironment, between: () => void): Promise<void> {
  const container = docker.getContainer(await environment.one("postgres"));
  await container.stop();
  between();
  await container.start();
  await eventually("readiness", 60, () => isReady(environment));
}

/** Does the work while the file takes up all free space. @returns false if the work fails. */
async function withFull(filler: string, work: () => Promise<boolean>): Promise<boolean> {
  spawnSync("dd", ["if=/dev/zero", `of=${filler}`, "bs=64k"], { stdio: "ignore" });
  const done = await work().catch(() => false);
  rmSync(filler);
  return done;
}

const full: Scenario<StackEnvironment> = {
  name: "disk-full",
  what: "PostgreSQL's volume full for 20 s",
  async before(environment) {
    const folder = dataFolder(environment);
    const copy = mkdtempSync(join(tmpdir(), "omniai-data-"));
    let isMounted = false;
    await restartPostgres(environment, () => {
      run("cp", "-a", `${folder}/.`, copy);
      // A memory disk of a fixed size takes the place of the volume, with some space beyond the existing data.
      const size = Number(run("du", "-sm", folder).split("\t")[0]) + 64;
      isMounted = spawnSync("mount", ["-t", "tmpfs", "-o", `size=${size}m`, "tmpfs", folder]).status === 0;
      if (isMounted) run("cp", "-a", `${copy}/.`, folder);
    });
    rmSync(copy, { recursive: true, force: true });
    return isMounted ? undefined : { notRun: "mounting is not allowed here" };
  },
  async act(environment) {
    const postgres = await environment.one("postgres");
    const before = await restartsOf(environment);
    const filler = join(dataFolder(environment), "filler");
    const isReading = await withFull(filler, async () => {
      await sleep(20_000);
      return Number(environment.sql(postgres, "SELECT count(*) FROM client_reports")) > 0;
    });
    const freed = Date.now();
    await eventually("a row after it", 60, async () => {
      const body = { client: "after-the-disk-was-full" };
      return (
        (await call(`${environment.stack.https}/api/diag/client-reports`, { method: "POST", body }))
          .status === 202
      );
    });
    const recovery = (Date.now() - freed) / 1000;
    await sleep(5000);
    const checked = environment.sql(
      postgres,
      "CREATE EXTENSION IF NOT EXISTS amcheck; SELECT bt_index_check(indexrelid, true) FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid WHERE relname LIKE 'client_reports%'",
    );
    return {
      recovery,
      verdicts: [
        { what: "the database can be read meanwhile", holds: isReading },
        atMost("writes again after room was made", recovery, 10, "s"),
        { what: "indexes are whole (amcheck)", holds: !/error/i.test(checked) },
        await noneRestarted(environment, before),
      ],
      notes: ["the stack is one of dev, without the monitoring that tells at 80 and 90 percent"],
    };
  },
  judge: (evidence) => [
    ...nothingLost(evidence),
    ...politely(evidence),
    { what: `failed GET: ${evidence.figures.failed[GET] ?? 0}`, holds: evidence.figures.failed[GET] === 0 },
  ],
  async after(environment) {
    const folder = dataFolder(environment);
    const copy = mkdtempSync(join(tmpdir(), "omniai-data-"));
    await restartPostgres(environment, () => {
      run("cp", "-a", `${folder}/.`, copy);
      run("umount", folder);
      run("cp", "-a", `${copy}/.`, folder);
    });
    rmSync(copy, { recursive: true, force: true });
  },
};

export const STORE_FAULTS: readonly Scenario<StackEnvironment>[] = [redis, paused, pausedOften, killed, full];
