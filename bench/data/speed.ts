/** How long backups and restores take, beside PostgreSQL's own tools alone, in the same room and the same run. */
import { buildImage, docker, patience, untilVerified, World } from "../../test/support/backup-room/world.ts";
import { eventually } from "../../test/support/http.ts";
import type { Row } from "../report.ts";
import { fillWithPgbench, ROWS_PER_UNIT, unitsOf } from "./pgbench.ts";
import { secondsOf, timed } from "./timed.ts";

const REFERENCE = "/backup/reference";
/** So many incrementals has the chain that is restored. */
const LINKS = 3;
/** What one command may take at most, for each GB, beside a minute. */
const SECONDS_PER_GB = 600;
const SOURCE = "-h postgres -U omniai_backup -w";

export interface Speed {
  readonly rows: readonly Row[];
  /** For the chart: seconds, ours and theirs. */
  readonly pairs: readonly { readonly what: string; readonly own: number; readonly reference: number }[];
}

/** Runs a shell script in the room's container. @returns seconds */
async function reference(world: World, script: string): Promise<number> {
  await world.inRoom(`rm -rf ${REFERENCE}; mkdir ${REFERENCE}`);
  const started = performance.now();
  await world.inRoom(`set -e; export PGPASSFILE=/run/secrets/pgpass; cd ${REFERENCE}; ${script}`);
  return (performance.now() - started) / 1000;
}

/** Loads a directory-format dump into a scratch server as the room has it. @returns seconds of pg_restore alone */
const restoreScript = (folder: string): string => `
import subprocess, time
from room import scratch, server, settings as of
settings = of.load()
with server.source(settings) as connection:
    about = server.describe(connection)
with scratch.workspace(settings, "reference") as work:
    data = scratch.make(work, about)
    with scratch.running(settings, work, data, about) as target:
        env = server.tool_environment(target.host, target.port, target.user)
        subprocess.run(["createuser", "omniai"], check=True, env=env)
        subprocess.run(["createdb", "-O", "omniai", "omniai"], check=True, env=env)
        started = time.monotonic()
        subprocess.run(["pg_restore", "--no-acl", "--exit-on-error", "--dbname=omniai", "--jobs=2", "${folder}"], check=True, env=env)
        print(time.monotonic() - started)
`;

const bytesOf = (one: { readonly bytes: number }): string => `${(one.bytes / 2 ** 20).toFixed(0)} MiB packed`;

export async function measureSpeed(gigabytes: number): Promise<Speed> {
  patience.seconds = 60 + Math.ceil(SECONDS_PER_GB * Math.max(1, gigabytes));
  const world = await World.create(await buildImage());
  try {
    await fillWithPgbench(world.postgres, gigabytes);
    await world.startRoom();
    await untilVerified(world, 2, patience.seconds);
    const idle = await idleMemory(world);
    // From here on every run is asked for: the room shall not take one by itself when a backup is put away below.
    await world.stopRoom();
    await world.startRoom({ OMNIAI_ROOM_EVERY: "86400" });
    await receives(world);
    const rows: Row[] = [];
    const pairs: Speed["pairs"][number][] = [];
    const add = (what: string, own: number, theirs: number, limit: number, detail: string): void => {
      rows.push({
        what,
        unit: "×",
        values: [own / theirs],
        limit,
        detail: `${own.toFixed(1)} s beside ${theirs.toFixed(1)} s; ${detail}`,
      });
      pairs.push({ what, own, reference: theirs });
    };

    const backups = (await world.list()).backups;
    const full = backups.find(({ level }) => level === "full");
    if (!full) throw new Error("there is no full base backup");
    // The first one was taken while the room started: a second full one has the machine as the reference has it.
    await world.inRoom(`mkdir /backup/away; mv /backup/base/${full.id} /backup/away/`);
    const run = await timed(world.room, "backup");
    await world.inRoom("rm -rf /backup/away");
    const taken = (await world.list()).backups;
    const base = taken.find(({ level }) => level === "full");
    const dump = taken.find(({ kind }) => kind === "dump");
    if (!base || !dump) throw new Error("a backup is missing");

    const plainBase = await reference(
      world,
      `pg_basebackup ${SOURCE} --format=tar --compress=client-zstd:3 --wal-method=stream --checkpoint=fast --pgdata=data`,
    );
    add("a full base backup, beside pg_basebackup", base.seconds ?? NaN, plainBase, 1.5, bytesOf(base));

    const restored = await timed(world.room, "restore");
    const plainCopy = await reference(
      world,
      `mkdir data; zstd -dcq /backup/base/${base.id}/base.tar.zst | tar -xf - -C data`,
    );
    const unpacking = secondsOf(restored, /checking the files|unpacking/);
    add(
      "its restore, every checksum checked, beside plain unpacking",
      unpacking,
      plainCopy,
      1.5,
      `${restored.seconds.toFixed(1)} s with the log, amcheck and the comparison`,
    );

    const plainDump = await reference(
      world,
      `pg_dump ${SOURCE} --format=directory --jobs=2 --compress=zstd:3 --dbname=omniai --file=dump`,
    );
    const folder = `${REFERENCE}/dump`;
    const plainRestore = Number(
      (await world.inRoom(`python3 -c '${restoreScript(folder)}'`)).split("\n").at(-1),
    );
    const own = secondsOf(run, /^dumping omniai|^restoring omniai/);
    add(
      "a dump and its restore, beside parallel pg_dump and pg_restore",
      own,
      plainDump + plainRestore,
      1.2,
      `${bytesOf(dump)}; dump ${secondsOf(run, /^dumping omniai/).toFixed(1)} beside ${plainDump.toFixed(1)} s`,
    );
    rows.push(...(await incremental(world, gigabytes, base)), idle);
    for (let link = 2; link <= LINKS; link += 1) await takeIncremental(world, gigabytes, link);
    const { own: chained, theirs, detail } = await restoreChain(world);
    add(
      `a restore over a chain (a full, ${LINKS} incrementals and the log), beside plain unpacking and pg_combinebackup`,
      ...[chained, theirs, 1.5, detail],
    );
    return { rows, pairs };
  } finally {
    await world.remove();
  }
}

async function incremental(
  world: World,
  gigabytes: number,
  full: { readonly bytes: number; readonly seconds: number | null },
): Promise<Row[]> {
  await takeIncremental(world, gigabytes, 1);
  const one = (await world.list()).backups.find(({ level }) => level === "incremental");
  if (!one) throw new Error("the second base backup is not incremental");
  return [
    {
      what: "an incremental of 1 % changed rows: its size, of the full one's",
      unit: "%",
      values: [(one.bytes / full.bytes) * 100],
      limit: 10,
      detail: bytesOf(one),
    },
    {
      what: "an incremental of 1 % changed rows: its time, of the full one's",
      unit: "%",
      values: [((one.seconds ?? NaN) / (full.seconds ?? NaN)) * 100],
      limit: 10,
      detail: `${(one.seconds ?? NaN).toFixed(1)} s`,
    },
  ];
}

/** One more base backup, after another one in a hundred rows was changed. */
async function takeIncremental(world: World, gigabytes: number, nth: number): Promise<void> {
  const changed = (unitsOf(gigabytes) * ROWS_PER_UNIT) / 100;
  const rows = `aid > ${(nth - 1) * changed} AND aid <= ${nth * changed}`;
  await world.sql(`UPDATE pgbench_accounts SET abalance = abalance + 1 WHERE ${rows}`);
  const script =
    's = settings.load(); l = lock.held(s, "a measurement"); l.__enter__(); work.take_and_prove(s, "base", None)';
  await world.inRoom(`python3 -c 'from room import lock, settings, work; ${script}'`);
}

/** To the last moment: from the newest incremental and all that it builds on, and then by the log that has come since. */
async function restoreChain(
  world: World,
): Promise<{ readonly own: number; readonly theirs: number; readonly detail: string }> {
  const began = await world.sql("SELECT pg_current_wal_lsn()");
  await docker("exec", world.postgres, "pgbench", "-n", "-c", "4", "-T", "10", "-U", "postgres", "omniai");
  const written = Number(await world.sql(`SELECT pg_current_wal_lsn() - '${began}'`)) / 2 ** 20;
  await world.sql("CREATE TABLE last_of_all AS SELECT 1 AS n");
  await world.sql("SELECT pg_switch_wal()");
  const restored = await timed(world.room, "restore", "--keep");
  const parts = (await world.list()).backups.filter(({ kind }) => kind === "base").slice(0, LINKS + 1);
  const levels = parts.map(({ level }) => level).join();
  if (levels !== `${"incremental,".repeat(LINKS)}full`) throw new Error(`the chain is ${levels}`);
  if ((await world.queryRestored("SELECT n FROM last_of_all")) !== "1")
    throw new Error("the restore over the chain does not have what was written last");
  await world.inRoom("rm -rf /backup/restored");
  const folders = parts.toReversed().map(({ id }, at) => ({ from: `/backup/base/${id}`, to: `part-${at}` }));
  const unpack = folders.map(
    ({ from, to }) =>
      `mkdir ${to}; zstd -dcq ${from}/base.tar.zst | tar -xf - -C ${to}; cp ${from}/backup_manifest ${to}/`,
  );
  const combine = `pg_combinebackup --no-sync --output=data ${folders.map(({ to }) => to).join(" ")}`;
  return {
    own: secondsOf(restored, /checking the files|unpacking|putting the parts together/),
    theirs: await reference(world, [...unpack, combine].join("; ")),
    detail: `${restored.seconds.toFixed(1)} s with ${written.toFixed(0)} MiB of the log, amcheck and the comparison`,
  };
}

/** Until the receiver, which the room starts with its first look, is known to the server. */
const receives = (world: World): Promise<unknown> =>
  eventually(
    "the receiver",
    60,
    async () => (await world.sql("SELECT bool_or(active) FROM pg_replication_slots")) === "t",
  );

async function idleMemory(world: World): Promise<Row> {
  // A process may end between its listing and its reading.
  const anonymous = (await world.inRoom("cat /proc/[0-9]*/status 2>/dev/null || true"))
    .split("\n")
    .filter((line) => line.startsWith("RssAnon:"))
    .map((line) => Number(/\d+/.exec(line)?.[0] ?? 0));
  return {
    what: "the room's memory while it has nothing to do but receive",
    unit: "MiB",
    values: [anonymous.reduce((sum, one) => sum + one, 0) / 1024],
    limit: 60,
    detail: "anonymous memory of all of its processes",
  };
}
