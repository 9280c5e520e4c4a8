/** PostgreSQL and Redis: away, killed, without room. */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { call, eventually } from "../../../test/support/http.ts";
import { docker } from "../../../test/support/stack.ts";
import { atMost, nothingLost } from "../judge.ts";
import type { Evidence, Row, Verdict } from "../scenario.ts";
import type { Scene } from "../stack-environment.ts";
import { GET } from "../traffic.ts";
import { restartsOf } from "./replicas.ts";

const isReady = async (scene: Scene): Promise<boolean> =>
  (await call(`${scene.stack.http}/readyz`)).status === 200;

/** Every refusal is a 503 with Retry-After that came soon. */
const politely = ({ figures }: Evidence): Verdict[] => [
  { what: `failures without 503 and Retry-After: ${figures.brusque}`, holds: figures.brusque === 0 },
  atMost("slowest 503", figures.slowest503Ms / 1000, 2, "s"),
];

const fullServiceAfter = ({ figures }: Evidence, seconds: number): Verdict =>
  atMost("last failed request after", figures.lastFailure, seconds, "s");

/** @param before how often each container had been started anew by then. */
async function onlyRestarted(
  scene: Scene,
  name: string,
  before: Readonly<Record<string, number>>,
): Promise<Verdict> {
  const now = await restartsOf(scene);
  const others = Object.keys(now).filter((other) => other !== name && now[other] !== before[other]);
  return { what: `other containers restarted: ${others.length}`, holds: others.length === 0 };
}

const redis: Row<Scene> = {
  name: "redis-kill",
  what: "SIGKILL of Redis",
  async act(scene, began) {
    const before = await restartsOf(scene);
    const name = await scene.one("redis");
    process.kill(await scene.pidOf(name), "SIGKILL");
    await eventually("an event after it", 60, async () => {
      const body = { type: "probe", data: {} };
      return (await call(`${scene.stack.https}/api/events`, { method: "POST", body })).status === 201;
    });
    const recovery = (Date.now() - began) / 1000;
    await sleep(10_000);
    return { recovery, verdicts: [await onlyRestarted(scene, name, before)] };
  },
  judge: (evidence) => [
    ...nothingLost(evidence),
    atMost("longest silence of a stream", evidence.figures.longestSilence, 10, "s"),
    { what: `streams refused: ${evidence.figures.refusals}`, holds: evidence.figures.refusals === 0 },
  ],
};

const PAUSE = 20;

const paused: Row<Scene> = {
  name: "postgres-pause",
  what: `PostgreSQL paused for ${PAUSE} s`,
  async act(scene, began) {
    const before = await restartsOf(scene);
    const container = docker.getContainer(await scene.one("postgres"));
    await container.pause();
    try {
      await sleep(PAUSE * 1000);
    } finally {
      await container.unpause();
    }
    await eventually("readiness", 60, () => isReady(scene));
    const recovery = (Date.now() - began) / 1000 - PAUSE;
    await sleep(10_000);
    const isSame = JSON.stringify(await restartsOf(scene)) === JSON.stringify(before);
    return { recovery, verdicts: [{ what: "no container restarted", holds: isSame }] };
  },
  judge: (evidence) => [
    ...nothingLost(evidence),
    ...politely(evidence),
    fullServiceAfter(evidence, PAUSE + 10),
  ],
};

const killed: Row<Scene> = {
  name: "postgres-kill",
  what: "SIGKILL of PostgreSQL",
  async act(scene, began) {
    const name = await scene.one("postgres");
    const before = await restartsOf(scene);
    process.kill(await scene.pidOf(name), "SIGKILL");
    await eventually("a restart", 30, async () => (await restartsOf(scene))[name] !== before[name]);
    await eventually("readiness", 60, () => isReady(scene));
    const recovery = (Date.now() - began) / 1000;
    await sleep(10_000);
    return { recovery, verdicts: [await onlyRestarted(scene, name, before)] };
  },
  judge: (evidence) => [...nothingLost(evidence), ...politely(evidence), fullServiceAfter(evidence, 10)],
};

const run = (program: string, ...args: string[]): string =>
  execFileSync(program, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });

/** Where the engine keeps PostgreSQL's data. */
const dataFolder = (scene: Scene): string =>
  run(
    "docker",
    "volume",
    "inspect",
    "-f",
    "{{.Mountpoint}}",
    `omniai-${scene.stack.name}-postgres-data`,
  ).trim();

async function restartPostgres(scene: Scene, between: () => void): Promise<void> {
  const container = docker.getContainer(await scene.one("postgres"));
  await container.stop();
  between();
  await container.start();
  await eventually("readiness", 60, () => isReady(scene));
}

/** Does the work while the file takes all the room that there is. @returns false when the work fails. */
async function withFull(filler: string, work: () => Promise<boolean>): Promise<boolean> {
  spawnSync("dd", ["if=/dev/zero", `of=${filler}`, "bs=64k"], { stdio: "ignore" });
  const done = await work().catch(() => false);
  rmSync(filler);
  return done;
}

const full: Row<Scene> = {
  name: "disk-full",
  what: "PostgreSQL's volume full for 20 s",
  async before(scene) {
    const folder = dataFolder(scene);
    const copy = mkdtempSync(join(tmpdir(), "omniai-data-"));
    let isMounted = false;
    await restartPostgres(scene, () => {
      run("cp", "-a", `${folder}/.`, copy);
      // Memory of a fixed size in the place of the volume: with some room beyond what is there.
      const size = Number(run("du", "-sm", folder).split("\t")[0]) + 64;
      isMounted = spawnSync("mount", ["-t", "tmpfs", "-o", `size=${size}m`, "tmpfs", folder]).status === 0;
      if (isMounted) run("cp", "-a", `${copy}/.`, folder);
    });
    rmSync(copy, { recursive: true, force: true });
    return isMounted ? undefined : { notRun: "mounting is not allowed here" };
  },
  async act(scene) {
    const postgres = await scene.one("postgres");
    const before = await restartsOf(scene);
    const filler = join(dataFolder(scene), "filler");
    const isReading = await withFull(filler, async () => {
      await sleep(20_000);
      return Number(scene.sql(postgres, "SELECT count(*) FROM client_reports")) > 0;
    });
    const freed = Date.now();
    await eventually("a row after it", 60, async () => {
      const body = { client: "after-the-disk-was-full" };
      return (
        (await call(`${scene.stack.https}/api/diag/client-reports`, { method: "POST", body })).status === 202
      );
    });
    const recovery = (Date.now() - freed) / 1000;
    await sleep(5000);
    const checked = scene.sql(
      postgres,
      "CREATE EXTENSION IF NOT EXISTS amcheck; SELECT bt_index_check(indexrelid, true) FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid WHERE relname LIKE 'client_reports%'",
    );
    return {
      recovery,
      verdicts: [
        { what: "the database can be read meanwhile", holds: isReading },
        atMost("writes again after room was made", recovery, 10, "s"),
        { what: "indexes are whole (amcheck)", holds: !/error/i.test(checked) },
        {
          what: "no container restarted",
          holds: JSON.stringify(await restartsOf(scene)) === JSON.stringify(before),
        },
      ],
      notes: ["nothing tells an operator at 80 or 90 percent yet: there is no monitoring"],
    };
  },
  judge: (evidence) => [
    ...nothingLost(evidence),
    ...politely(evidence),
    { what: `failed GET: ${evidence.figures.failed[GET] ?? 0}`, holds: evidence.figures.failed[GET] === 0 },
  ],
  async after(scene) {
    const folder = dataFolder(scene);
    const copy = mkdtempSync(join(tmpdir(), "omniai-data-"));
    await restartPostgres(scene, () => {
      run("cp", "-a", `${folder}/.`, copy);
      run("umount", folder);
      run("cp", "-a", `${copy}/.`, folder);
    });
    rmSync(copy, { recursive: true, force: true });
  },
};

export const storeFaults: readonly Row<Scene>[] = [redis, paused, killed, full];
