/** What a larger database costs: its backups and their proof, the disk, and what people notice meanwhile. */
import { statfs } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import type { BackupView } from "../../ops/engine/backup-room.ts";
import { docker as run, patience } from "../../test/support/backup-room/engine.ts";
import { docker, type TestStack } from "../../test/support/stack.ts";
import { fillWithPgbench } from "../data/pgbench.ts";
import { secondsOf, timed, timedPython, type Timed } from "../data/timed.ts";
import { addressOf, one } from "../monitoring/stack.ts";
import { median, type Row } from "../report.ts";
import { calmRound, KINDS } from "../requests/send.ts";
import { saturatedBy, within, type Saturated } from "./gauges.ts";
import { CALM_RATE } from "./replicas.ts";
import type { Chart } from "../data/report.ts";
import { createGrowingStack } from "./stack.ts";
import { startWatch, type Watch } from "./watch.ts";

export interface DatabaseOptions {
  readonly gigabytes: readonly number[];
  /** How long one round of requests lasts. */
  readonly seconds: number;
}

/** One kind of backup, and its proof: restored into a scratch server, compared and checked. */
export interface Taken {
  readonly takeSeconds: number;
  readonly proveSeconds: number;
  /** As it lies on the backup volume. */
  readonly packedMiB: number;
  readonly saturated: Saturated;
}

export interface DatabaseStep {
  /** What was asked for, in GB. */
  readonly wanted: number;
  /** What PostgreSQL says that the database has. */
  readonly dataMiB: number;
  readonly fillSeconds: number;
  readonly base: Taken;
  readonly dump: Taken;
  /** ms, by kind of request; one value for each round. */
  readonly idle: Readonly<Record<string, readonly number[]>>;
  readonly during: Readonly<Record<string, readonly number[]>>;
  /** PostgreSQL's log on the backup volume after the filling. */
  readonly logMiB: number;
  /** The most disk that the machine lacked while backups were taken and proved, beside before. */
  readonly peakMiB: number;
}

const IDLE_ROUNDS = 4;
const SECONDS_PER_GB = 1800;
/** How often free space is looked at, in ms. */
const LOOK = 1000;
/** How long a run waits for another one of the room's, in seconds. */
const PATIENCE = "600";
/** A base backup as the room takes and proves it, but one that cannot build on those that there are. */
const FULL_BASE = `
import shutil
from room import lock, settings, work
from room.progress import say
s = settings.load()
lock.wait_until_free(s, "", ${PATIENCE})
with lock.held(s, "a measurement"):
    shutil.rmtree(s.bases)
    work.clear_leftovers(s)
    work.take_and_prove(s, "base", None)
say("done")
`;

export async function measureDatabase(
  program: string,
  { gigabytes, seconds }: DatabaseOptions,
  done: (step: DatabaseStep) => void,
): Promise<DatabaseStep[]> {
  const steps: DatabaseStep[] = [];
  for (const size of gigabytes) {
    // A stack of its own for each: the log of an earlier size would be on its disk.
    const watched = await createGrowingStack("database");
    try {
      const step = await measureStep(program, watched.stack, size, seconds);
      steps.push(step);
      done(step);
    } finally {
      await watched.remove();
    }
  }
  return steps;
}

async function measureStep(
  program: string,
  stack: TestStack,
  wanted: number,
  seconds: number,
): Promise<DatabaseStep> {
  patience.seconds = 60 + Math.ceil(SECONDS_PER_GB * Math.max(1, wanted));
  const [postgres, room] = [await one(stack, "postgres"), await one(stack, "backup")];
  const sql = (statement: string): Promise<string> =>
    run("exec", postgres, "psql", "-XqAtU", "postgres", "-d", "omniai", "-c", statement);
  const inRoom = (script: string): Promise<string> => run("exec", room, "sh", "-c", script);
  const began = performance.now();
  await fillWithPgbench(postgres, wanted);
  await sql("CHECKPOINT");
  const fillSeconds = (performance.now() - began) / 1000;
  await untilArrived(sql, inRoom, stack);
  const dataMiB = Number(await sql("SELECT pg_database_size('omniai')")) / 2 ** 20;
  const logMiB = Number((await inRoom("du -sm /backup/wal")).split("\t")[0]);

  const address = await addressOf(stack);
  const calm = { rate: CALM_RATE, seconds };
  await calmRound(program, address, calm);
  const idle: Record<string, number[]> = {};
  const during: Record<string, number[]> = {};
  const note = (into: Record<string, number[]>, p99: readonly number[]): void => {
    for (const [index, { name }] of KINDS.entries()) (into[name] ??= []).push(p99[index] ?? NaN);
  };
  for (let round = 0; round < IDLE_ROUNDS; round += 1) note(idle, await calmRound(program, address, calm));

  const watch = await startWatch(stack);
  const space = await watchSpace();
  let isDone = false;
  const taking = (async () => {
    const base = await take(stack, watch, "base", () => timedPython(room, "-c", FULL_BASE));
    const dump = await take(stack, watch, "dump", () =>
      timed(room, "backup", "--kind", "dump", "--wait", PATIENCE),
    );
    return { base, dump };
  })().finally(() => (isDone = true));
  try {
    while (!isDone) {
      const p99 = await calmRound(program, address, calm);
      // The last round went on after the backup had ended.
      if (!isDone || Object.keys(during).length === 0) note(during, p99);
    }
    const { base, dump } = await taking;
    return {
      ...{ wanted, dataMiB, fillSeconds, base, dump, idle, during, logMiB },
      peakMiB: await space.stop(),
    };
  } finally {
    await Promise.allSettled([taking, watch.stop(), space.stop()]);
  }
}

async function take(
  stack: TestStack,
  watch: Watch,
  kind: "base" | "dump",
  act: () => Promise<Timed>,
): Promise<Taken> {
  const from = Date.now();
  const run = await act();
  const saturated = saturatedBy(within(watch.looks(), from, Date.now()));
  const { stdout } = await stack.run("backup", "list", "--json");
  const { backups } = JSON.parse(stdout) as { backups: readonly BackupView[] };
  const taken = backups.find((one) => one.kind === kind);
  if (taken?.state !== "verified") throw new Error(`the newest ${kind} is ${taken?.state ?? "not there"}`);
  if (kind === "base" && taken.level !== "full") throw new Error(`the base backup is ${String(taken.level)}`);
  const takeSeconds = takenIn(run);
  return {
    takeSeconds,
    proveSeconds: run.seconds - takeSeconds,
    packedMiB: taken.bytes / 2 ** 20,
    saturated,
  };
}

/** Pure: the steps that take a backup; all others prove it. */
const takenIn = (run: Timed): number =>
  secondsOf(run, /^(copying the server|taking the roles|dumping |counting the rows of )/);

/** Until the room has the log up to now, and packed it: a backup would wait for it otherwise. */
async function untilArrived(
  sql: (statement: string) => Promise<string>,
  inRoom: (script: string) => Promise<string>,
  stack: TestStack,
): Promise<void> {
  const name = await sql("SELECT pg_walfile_name(pg_switch_wal())");
  for (const end = Date.now() + patience.seconds * 1000; Date.now() < end; await sleep(1000)) {
    const found = await inRoom(`find /backup/wal -name '${name}.zst' | head -1`);
    if (found !== "") return;
  }
  throw new Error(`segment ${name} of the log does not arrive at the backup room of ${stack.name}`);
}

/** How much less free space the engine's disk has at the worst than now. */
async function watchSpace(): Promise<{ stop(): Promise<number> }> {
  const { DockerRootDir } = (await docker.info()) as { DockerRootDir: string };
  const free = async (): Promise<number> => {
    const { bavail, bsize } = await statfs(DockerRootDir);
    return (bavail * bsize) / 2 ** 20;
  };
  const before = await free();
  const stopping = new AbortController();
  let least = before;
  const watching = (async () => {
    while (!stopping.signal.aborted) {
      least = Math.min(least, await free());
      await sleep(LOOK, undefined, { signal: stopping.signal }).catch(() => undefined);
    }
  })();
  return {
    async stop() {
      stopping.abort();
      await watching;
      return before - least;
    },
  };
}

const sizeOf = ({ wanted }: DatabaseStep): string => `${wanted} GB`;

/** Pure. */
export function databaseRows(steps: readonly DatabaseStep[]): Row[] {
  return steps.flatMap((step): Row[] => {
    const { dataMiB, fillSeconds, base, dump, idle, during, logMiB, peakMiB } = step;
    const size = sizeOf(step);
    const took = (what: string, one: Taken): Row[] => [
      {
        what: `${size}: ${what}`,
        unit: "s",
        values: [one.takeSeconds],
        detail: `${one.packedMiB.toFixed(0)} MiB packed; with its proof at its limit: ${one.saturated.what}; then ${one.saturated.next}`,
      },
      {
        what: `${size}: the proof of ${what}: restored, compared, checked`,
        unit: "s",
        values: [one.proveSeconds],
      },
    ];
    return [
      {
        what: `${size}: the database`,
        unit: "MiB",
        values: [dataMiB],
        detail: `filled in ${fillSeconds.toFixed(0)} s, which left ${logMiB.toFixed(0)} MiB of the log on the backup volume`,
      },
      ...took("a full base backup", base),
      ...took("a dump", dump),
      {
        what: `${size}: the most disk that taking and proving both needs`,
        unit: "MiB",
        values: [peakMiB],
        detail: "of the whole machine, beside before",
      },
      ...KINDS.flatMap(({ name }): Row[] => [
        {
          what: `${size}: p99 of ${name}, no backup`,
          unit: "ms",
          values: idle[name] ?? [],
        },
        {
          what: `${size}: p99 of ${name} during both`,
          unit: "ms",
          values: during[name] ?? [],
          detail: `${CALM_RATE} a second of each kind`,
        },
      ]),
    ];
  });
}

/** Pure. */
export function databaseCharts(steps: readonly DatabaseStep[]): Chart[] {
  const bars = (value: (step: DatabaseStep) => number) =>
    steps.map((step) => ({ label: sizeOf(step), value: value(step) }));
  return [
    { title: "A full base backup, s", bars: bars(({ base }) => base.takeSeconds) },
    { title: "Its proof, s", bars: bars(({ base }) => base.proveSeconds) },
    { title: "A dump, s", bars: bars(({ dump }) => dump.takeSeconds) },
    { title: "Its proof, s", bars: bars(({ dump }) => dump.proveSeconds) },
    { title: "The most disk that both need, MiB", bars: bars(({ peakMiB }) => peakMiB) },
    ...KINDS.map(({ name }) => ({
      title: `p99 of ${name} during both, ms`,
      bars: bars(({ during }) => median(during[name] ?? [])),
    })),
  ];
}
