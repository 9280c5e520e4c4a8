/** The backup room against a real PostgreSQL: everything that can go wrong is noticed before it does damage. */
import { strict as assert } from "node:assert";
import { spawn } from "node:child_process";
import type { RoomEvent } from "../../ops/engine/backup-room.ts";
import { worldAhead } from "../support/backup-room/ahead.ts";
import { eventually } from "../support/http.ts";
import { docker, worldWithBackups, type Restored, type World } from "../support/backup-room/world.ts";
import { loseUnderWrites, TABLE } from "../support/backup-room/writer.ts";

describe("a backup room", function () {
  this.timeout(240_000);
  let world: World;
  const dumps = async () => (await world.list()).backups.filter(({ kind }) => kind === "dump");

  const prepare = async (made: World): Promise<void> => {
    await made.sql(`CREATE TABLE big AS SELECT n, md5(n::text) AS text FROM generate_series(1, 200000) n;
      ALTER TABLE big ADD PRIMARY KEY (n); ALTER TABLE big OWNER TO omniai;
      CREATE SEQUENCE s; SELECT nextval('s') FROM generate_series(1, 77)`);
    // Else autovacuum does it between two backups, and changes every page.
    await made.sql("VACUUM (FREEZE, ANALYZE) big");
  };
  const ready = worldAhead(() => worldWithBackups(prepare));
  before(async () => {
    world = await ready();
  });
  after(() => world?.remove());

  it("is small while it has nothing to do", async () => {
    const sum = async (): Promise<number> => {
      // A process may end between its listing and its reading.
      const anonymous = (await world.inRoom("cat /proc/[0-9]*/status 2>/dev/null || true"))
        .split("\n")
        .filter((line) => line.startsWith("RssAnon:"))
        .map((line) => Number(/\d+/.exec(line)?.[0] ?? 0));
      return anonymous.reduce((total, one) => total + one, 0) / 1024;
    };
    // What the first backups have left to do is done first: the segment that they began is packed.
    await eventually("less than 60 MiB", 30, async () => {
      const now = await sum();
      if (now >= 60) throw new Error(`${now} MiB`);
      return true;
    });
  });

  it("restores to a chosen moment: exactly the rows that were acknowledged before it", async () => {
    await world.sql("CREATE TABLE clock (n int)");
    const moments: string[] = [];
    for (let n = 1; n <= 5; n += 1) {
      await world.sql(`INSERT INTO clock VALUES (${n})`);
      moments.push(await world.sql("SELECT clock_timestamp()"));
    }
    const { changes } = await world.get<Restored>("restore", "--to", moments[3] ?? "");
    assert.deepEqual(changes, [{ table: "omniai: public.clock", backup: 4, now: 5 }]);
    // Nothing comes after the last one, so PostgreSQL finds no end for it in the log.
    assert.deepEqual((await world.get<Restored>("restore", "--to", moments[4] ?? "")).changes, []);
  });

  it("takes only what has changed on the day after a full copy; another run meanwhile is told who is at work", async () => {
    await world.sql("UPDATE big SET text = 'changed' WHERE n <= 2000");
    const taking = world.get<{ backups: { level: string | null; bytes: number }[] }>("backup");
    // Asked before, the other run would be the first, and the backup be told.
    const told = eventually("the backup", 30, async () => (await world.list()).status.running !== null).then(
      () => world.ask("prune"),
    );
    const [{ backups }, { code, what }] = await Promise.all([taking, told]);
    assert.equal(code, 3, what);
    assert.match(what, /is at work: a backup since/);
    const [, base] = backups;
    assert.equal(base?.level, "incremental");
    const full = (await world.list()).backups.find(({ level }) => level === "full");
    assert.ok((base?.bytes ?? Infinity) < (full?.bytes ?? 0) / 2, `${base?.bytes} and ${full?.bytes}`);
  });

  describe("a dump that was changed afterwards", () => {
    const ways: [string, (folder: string, other: string) => string, RegExp][] = [
      [
        "a flipped bit",
        (f) => `printf X | dd of=${f}/1.dump bs=1 seek=1000 conv=notrunc`,
        /checksum differs/,
      ],
      ["a file that was cut off", (f) => `truncate -s -1 ${f}/1.dump`, /another length|had \d+ when/],
      ["an empty file", (f) => `: > ${f}/1.dump`, /another length/],
      ["a missing file", (f) => `rm ${f}/globals.sql.zst`, /is missing/],
      ["a file of another backup", (f, o) => `cp ${o}/1.dump ${f}/1.dump`, /another length|checksum differs/],
      [
        "the manifest of another backup",
        (f, o) => `cp ${o}/manifest.json ${f}/manifest.json`,
        /holds the manifest/,
      ],
      [
        "a changed manifest",
        (f) => `sed -i 's/"bytes": 1/"bytes": 2/' ${f}/manifest.json`,
        /manifest .* is damaged/,
      ],
    ];
    for (const [name, change, expected] of ways) {
      it(`${name}: is refused before anything is restored, and another is offered`, async () => {
        const [first] = await dumps();
        assert.equal(first?.state, "verified", JSON.stringify(first));
        // What an earlier restore has kept stays until another one is kept.
        await world.inRoom(`rm -rf /backup/restored && cp -a /backup/dumps/${first.id} /tmp/kept 2>&1`);
        const other = (await dumps())[1]?.id ?? assert.fail("no second dump");
        try {
          await world.inRoom(`${change(`/backup/dumps/${first.id}`, `/backup/dumps/${other}`)} 2>&1`);
          const { code, what, remedy, events } = await world.ask("restore", "--id", first.id, "--keep");
          assert.equal(code, 1);
          assert.match(what, expected);
          assert.match(remedy, /The newest verified one is (base|dump)-/);
          assert.ok(!events.some((event) => event.event === "step" && /restoring/.test(event.text)));
          await world.inRoom("! test -e /backup/restored");
          const view = (await world.list()).backups.find(({ id }) => id === first.id);
          assert.equal(view?.state, "damaged");
        } finally {
          await world.inRoom(`rm -rf /backup/dumps/${first.id}; mv /tmp/kept /backup/dumps/${first.id}`);
        }
      });
    }
  });

  it("a damaged base backup is refused", async () => {
    const [base] = (await world.list()).backups.filter(({ kind }) => kind === "base");
    assert.ok(base);
    await world.inRoom(`cp -a /backup/base/${base.id} /tmp/kept`);
    await world.inRoom(
      `printf X | dd of=/backup/base/${base.id}/base.tar.zst bs=1 seek=500 conv=notrunc 2>&1`,
    );
    const { code, what } = await world.ask("restore");
    await world.inRoom(`rm -rf /backup/base/${base.id}; mv /tmp/kept /backup/base/${base.id}`);
    assert.equal(code, 1);
    assert.match(what, /base\.tar\.zst is not what was written/);
  });

  it("a proof that cannot be made condemns nothing", async () => {
    const [dump] = await dumps();
    assert.equal(dump?.state, "verified");
    await world.inRoom(
      "mkdir -p /backup/bin; printf '#!/bin/sh\\nexit 1\\n' > /backup/bin/postgres; chmod 755 /backup/bin/postgres",
    );
    const said = await world.inRoom(
      `PATH=/backup/bin:$PATH python3 -m room verify --id ${dump.id}; rm -r /backup/bin`,
    );
    assert.match(said.split("\n").at(-1) ?? "", /could not be proved, .* scratch server did not start/);
    assert.equal((await dumps())[0]?.state, "verified");
  });

  it("a base backup is proved without PostgreSQL as well, and restored", async () => {
    const [base] = (await world.list()).backups.filter(({ kind }) => kind === "base");
    assert.equal(base?.state, "verified");
    await docker("stop", world.postgres);
    try {
      const { code, what, events } = await world.ask("verify", "--id", base.id);
      assert.equal(code, 0, what);
      assert.ok(
        events.some(
          (one) => one.event === "step" && /cannot be compared .* let the backup room in/.test(one.text),
        ),
      );
      const { backup } = await world.get<Restored>("restore");
      assert.equal(backup.id, base.id);
    } finally {
      await docker("start", world.postgres);
    }
    await eventually("the room's receiver", 60, async () => (await world.problems()).length === 0);
    assert.deepEqual((await world.list()).status.problems, []);
  });

  it("PostgreSQL breaks off in the middle of a run: said and noted, and the other kinds are taken", async () => {
    // The first time that rows are counted, for the dump, the server ends the connection, as a restart does.
    const script = `
import sys
from room import __main__, server
counted = server.contents
def cut(connection):
    server.contents = counted
    server.one(connection, "SELECT pg_terminate_backend(pg_backend_pid())")
server.contents = cut
sys.argv = ["room", "backup"]
sys.exit(__main__.main())`;
    const before = new Set((await world.list()).backups.map(({ id }) => id));
    const said = await world.inRoom(`python3 -c '${script}' 2>&1; echo code $?`);
    assert.match(said, /"event": "error", "what": "PostgreSQL at postgres did not answer .*\ncode 1$/);
    const { backups, status } = await world.list();
    const taken = backups.filter(({ id }) => !before.has(id));
    assert.deepEqual(
      taken.map(({ kind, state }) => [kind, state]),
      [["base", "verified"]],
    );
    assert.match(status.failure?.what ?? "", /did not answer the backup room to the end \(omniai\)/);
    await world.get("backup");
    assert.equal((await world.list()).status.failure, null);
  });

  it("a table that is dropped between its listing and its counting is gone, and in a snapshot it waits", async () => {
    await world.sql("CREATE TABLE going AS SELECT 1 AS n");
    const script = `
import pathlib, time
from room import server, settings
found = settings.load()
def until_dropped(name):
    pathlib.Path("/tmp/counting").touch()
    while name == "public.going":
        with server.source(found, "omniai") as other:
            if server.one(other, "SELECT to_regclass(%s) IS NULL", name):
                return
        time.sleep(0.1)
with server.source(found, "omniai") as connection:
    print(sorted(server.contents(connection, until_dropped)["tables"]))`;
    const counting = world.inRoom(`rm -f /tmp/counting; python3 -c '${script}'`);
    await eventually("the counting", 60, async () => /counting/.test(await world.inRoom("ls /tmp")));
    await world.sql("DROP TABLE going");
    const tables = await counting;
    assert.match(tables, /'public.big'/);
    assert.doesNotMatch(tables, /going/);

    await world.sql("CREATE TABLE going AS SELECT 1 AS n");
    const holding = `
from room import server, settings
found = settings.load()
with server.source(found, "omniai") as connection:
    server.begin_snapshot(connection)
    print(server.one(connection, "SELECT count(*) FROM pg_locks WHERE relation = %s::regclass AND pid = pg_backend_pid()", "public.going"))`;
    assert.equal(await world.inRoom(`python3 -c '${holding}'`), "1");
    await world.sql("DROP TABLE going");
  });

  it("a dump counts although a sequence goes on all the time while it is taken", async () => {
    await world.sql("CREATE SEQUENCE moving");
    const goesOn = world
      .sql(
        "SET statement_timeout = '220s'; DO $$ BEGIN LOOP PERFORM nextval('moving'), pg_sleep(0.001); END LOOP; END $$",
      )
      .catch(String);
    await eventually(
      "its first values",
      60,
      async () => Number(await world.sql("SELECT last_value FROM moving")) > 1,
    );
    await world.get("backup", "--kind", "dump");
    await world.sql(
      "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE '%LOOP PERFORM%' AND pid <> pg_backend_pid()",
    );
    assert.match(await goesOn, /due to user request/, "it went on until then");
    await world.sql("DROP SEQUENCE moving");
    assert.equal((await dumps()).at(-1)?.state, "verified");
  });

  it("a full copy that went bad is condemned, not what builds on it, and the next one is full again", async () => {
    const shelf = async () => (await world.list()).backups.filter(({ kind }) => kind === "base");
    const full = (await shelf()).findLast(({ level }) => level === "full");
    assert.equal(full?.state, "verified");
    const before = (await shelf()).filter(({ state }) => state === "verified").map(({ id }) => id);
    const file = `/backup/base/${full.id}/base.tar.zst`;
    const put = (from: string, to: string, where: string): Promise<string> =>
      world.inRoom(`dd if=${from} of=${to} bs=1 count=16 ${where} conv=notrunc 2>&1`);
    await put(file, "/tmp/bytes", "skip=500");
    await put("/dev/zero", file, "seek=500");
    const failed = await world.ask("backup", "--kind", "base");
    assert.equal(failed.code, 1);
    assert.match(failed.what, new RegExp(`${full.id} is damaged: base.tar.zst is not what was written`));
    // Whatever builds on it is no way out either.
    const { remedy } = await world.ask("restore", "--id", before[0] ?? "");
    assert.match(remedy, /The newest verified one is dump-/);
    assert.ok((await shelf()).every(({ state }) => state !== "verified"));
    const { backups } = await world.get<{ backups: { level: string }[] }>("backup", "--kind", "base");
    assert.deepEqual(
      backups.map(({ level }) => level),
      ["full"],
    );
    await put("/tmp/bytes", file, "seek=500");
    await world.get("verify", "--id", full.id);
    const good = (await shelf()).filter(({ state }) => state === "verified").map(({ id }) => id);
    for (const id of before) assert.ok(good.includes(id), id);
  });

  it("a damaged or missing piece of the log ends a restore to the newest moment, instead of losing what follows", async () => {
    let last = "";
    for (let n = 0; n < 3; n += 1) {
      last = await world.sql("SELECT pg_walfile_name(pg_current_wal_lsn())");
      await world.sql("INSERT INTO clock VALUES (6); SELECT pg_switch_wal()");
    }
    const archive = "/backup/wal/*/archive";
    await eventually("the segments", 60, async () =>
      (await world.inRoom(`ls ${archive}`)).includes(`${last}.zst`),
    );
    const names = (await world.inRoom(`ls ${archive} | grep -v history | tail -n 2`)).split("\n");
    const path = `/backup/wal/*/archive/${names[0] ?? ""}`;
    await world.inRoom(`cp ${path} /tmp/segment; truncate -s 100 ${path}`);
    const damaged = await world.ask("restore");
    await world.inRoom(`rm ${path}`);
    const missing = await world.ask("restore");
    await world.inRoom(`cp /tmp/segment /backup/wal/$(ls /backup/wal)/archive/${names[0] ?? ""}`);
    assert.equal(damaged.code, 1);
    assert.match(damaged.what, /Segment [0-9A-F]{24} of the log is damaged/);
    assert.equal(missing.code, 1);
    assert.match(missing.what, new RegExp(`gap .*${(names[0] ?? "").replace(".zst", "")} is missing`));
    assert.deepEqual((await world.get<Restored>("restore")).changes, []);
  });

  it("the log of a former server goes with its last base backup, and while nobody knows the server of now it stays", async () => {
    const own = await world.inRoom("ls /backup/wal");
    await world.inRoom(
      "mkdir -p /backup/wal/7/archive; touch /backup/wal/7/archive/000000010000000000000001.zst",
    );
    assert.equal((await world.askWith({ PGHOST: "nowhere" }, "prune")).code, 0);
    assert.match(await world.inRoom("ls /backup/wal"), /^7$/m);
    await world.get("prune");
    assert.equal(await world.inRoom("ls /backup/wal"), own);
  });

  // Each run is killed further on, and clears up after the one before it; the last one is good.
  const stages: [kind: string, step: string, leaves: boolean][] = [
    ["dump", "dumping omniai", true],
    ["dump", "restoring omniai", false],
    ["dump", "checking tables", false],
    ["base", "copying the server", true],
    ["base", "goes on by the log", false],
  ];
  let left = false;
  const clearsUp = (events: readonly RoomEvent[]): void => {
    assert.equal(
      events.some(({ event }) => event === "left"),
      left,
    );
  };
  for (const [kind, stage, leaves] of stages) {
    it(`killed at "${stage}": nothing looks like a new backup, and the next run is good`, async () => {
      const before = new Set((await world.list()).backups.map(({ id }) => id));
      clearsUp(await world.killedAt(stage, "--kind", kind));
      left = leaves;
      const { backups, status } = await world.list();
      for (const { id, state } of backups) if (!before.has(id)) assert.equal(state, "not verified", id);
      assert.equal(status.running, null);
      // None of its servers and programs goes on without it.
      await eventually("the end of its children", 60, async () =>
        (await world.programs()).every((line) => !/pg_dump|pg_restore|postgres -D|pg_basebackup/.test(line)),
      );
    });
  }

  it("killed as a whole: says so after its start, and catches up", async () => {
    const child = spawn("docker", ["exec", world.room, "python3", "-m", "room", "backup"]);
    await new Promise((resolve) => child.stdout.once("data", resolve));
    await world.stopRoom();
    await world.startRoom();
    await eventually("the note", 60, async () =>
      /was interrupted/.test((await world.list()).status.failure?.what ?? ""),
    );
    await world.get("backup");
    const { backups, status } = await world.list();
    assert.equal(status.failure, null);
    for (const kind of ["dump", "base"])
      assert.equal(backups.find((one) => one.kind === kind)?.state, "verified");
    assert.equal(await world.inRoom("ls -d /backup/*/*.partial /backup/scratch/* 2>/dev/null | wc -l"), "0");
  });

  it("a backup of tomorrow says that the clock was wrong, and is not taken for the newest", async () => {
    const script = `
import datetime, json, pathlib
from room import manifest
folder = sorted(pathlib.Path("/backup/dumps").iterdir())[-1]
found = manifest.read(folder)
found["takenAt"] = (datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=2)).isoformat(timespec="seconds")
manifest.write(folder, found)
mark = json.loads((folder / "verified.json").read_text())
mark["checksum"] = manifest.read(folder)["checksum"]
(folder / "verified.json").write_text(json.dumps(mark))
print(folder.name)`;
    const id = await world.inRoom(`python3 -c '${script}'`);
    const { status } = await world.list();
    assert.match(status.problems.join(), new RegExp(`${id} is dated in the future`));
    assert.notEqual(status.newest?.id, id);
    await world.inRoom(`rm -rf /backup/dumps/${id}`);
  });

  it("a server that is newer than its tools is refused before anything is written", async () => {
    const fake = 'echo "pg_dump (PostgreSQL) 16.9"';
    await world.inRoom(
      `mkdir -p /backup/bin; printf '#!/bin/sh\\n${fake}\\n' > /backup/bin/pg_dump; chmod 755 /backup/bin/pg_dump`,
    );
    const said = await world.inRoom(
      "PATH=/backup/bin:$PATH python3 -m room backup; echo code $?; rm -r /backup/bin",
    );
    assert.match(said, /"error".*PostgreSQL 17 is newer than this room's tools \(16\).*\ncode 1$/);
    assert.equal(await world.inRoom("ls -d /backup/*/*.partial 2>/dev/null | wc -l"), "0");
  });

  it("after SIGKILL and the loss of its volume, PostgreSQL comes back without at most the last 5 seconds of 500 rows each", async () => {
    await world.psql(`\\connect omniai\n${TABLE}`);
    const { acknowledged, missing, age, what } = await loseUnderWrites(world, 6);
    assert.ok(acknowledged > 2000, `only ${acknowledged} were acknowledged`);
    assert.ok(age <= 5000, `${missing} of ${acknowledged}, the oldest ${age} ms before`);
    // Nothing could be compared with a server that is not there.
    assert.match(what, /does not let the backup room in/);
    const rows = Number(await world.queryRestored("SELECT count(*) FROM acknowledged"));
    // An empty server in its place gets backups of its own, and is not taken for what was lost.
    const before = new Set((await world.list()).backups.map(({ id }) => id));
    const taken = await world.taken();
    await world.startPostgres();
    await eventually("a backup of the empty server", 120, async () => (await world.taken()) > taken);
    const [newest] = (await world.list()).backups.filter(
      ({ kind, id }) => kind === "base" && !before.has(id),
    );
    assert.deepEqual([newest?.level, newest?.state], ["full", "verified"]);
    const { changes } = await world.get<Restored>("restore");
    assert.deepEqual(
      changes.filter(({ table }) => table === "omniai: public.acknowledged"),
      [{ table: "omniai: public.acknowledged", backup: rows, now: null }],
    );
  });
});

describe("a backup room without space", function () {
  this.timeout(240_000);
  let world: World;
  const volume = ["--opt", "type=tmpfs", "--opt", "device=tmpfs", "--opt", "o=size=190m"];
  const ready = worldAhead(() => worldWithBackups(undefined, { volume }));
  before(async () => {
    world = await ready();
  });
  after(() => world?.remove());

  it("gives up with the reason, leaves no half of a backup, and keeps the good ones", async () => {
    const before = (await world.list()).backups;
    await world.inRoom(
      'free=$(df -k /backup | tail -n 1 | awk "{print \\$4}"); dd if=/dev/zero of=/backup/ballast bs=1024 count=$((free - 2048)) 2>&1',
    );
    const { code, what, remedy } = await world.ask("backup");
    assert.equal(code, 1);
    assert.match(what, /backup volume (has \d+ MiB free|is full)/);
    assert.match(remedy, /npm run backup -- prune/);
    const { backups, status } = await world.list();
    assert.deepEqual(
      backups.map(({ id, state }) => [id, state]),
      before.map(({ id, state }) => [id, state]),
    );
    assert.match(status.problems.join(), /MiB free/);
    await world.inRoom("rm /backup/ballast");
  });
});
