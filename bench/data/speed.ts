/** How long backups and restores take, beside PostgreSQL's own tools alone, in the same room and the same run. */
import { buildImage, docker, patience, untilVerified, World } from "../../test/support/backup-room/world.ts";
import { eventually } from "../../test/support/http.ts";
import type { Row } from "../report.ts";
import { secondsOf, timed } from "./timed.ts";

/** pgbench has about 15 MiB for each of its units. */
const UNITS_PER_GB = 67;
const ROWS_PER_UNIT = 100_000;
const REFERENCE = "/backup/reference";
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
    const units = Math.max(1, Math.round(gigabytes * UNITS_PER_GB));
    await docker(
      "exec",
      world.postgres,
      "pgbench",
      "-q",
      "-i",
      "-s",
      String(units),
      "-U",
      "postgres",
      "omniai",
    );
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
    rows.push(...(await incremental(world, units, base)), idle);
    return { rows, pairs };
  } finally {
    await world.remove();
  }
}

async function incremental(
  world: World,
  units: number,
  full: { readonly bytes: number; readonly seconds: number | null },
): Promise<Row[]> {
  const changed = (units * ROWS_PER_UNIT) / 100;
  await world.sql(`UPDATE pgbench_accounts SET abalance = abalance + 1 WHERE aid <= ${changed}`);
  const script =
    's = settings.load(); l = lock.held(s, "a measurement"); l.__enter__(); work.take_and_prove(s, "base", None)';
  await world.inRoom(`python3 -c 'from room import lock, settings, work; ${script}'`);
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
