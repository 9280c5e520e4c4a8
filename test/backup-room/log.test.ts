/**
 * PostgreSQL's log and its receiver: what happens when the receiver is away, hangs, or has lost its place; and commits that wait for it:
 * what that costs while it is away, and that nothing acknowledged is lost.
 */
import { strict as assert } from "node:assert";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { renderSynchronous } from "../../infra/components/database/backup-access.ts";
import { worldAhead } from "../support/backup-room/ahead.ts";
import { eventually } from "../support/http.ts";
import { worldWithBackups, type Restored, type World } from "../support/backup-room/world.ts";
import { loseUnderWrites, TABLE } from "../support/backup-room/writer.ts";

/** The least that the config allows, in MiB: four segments of the log. */
const WAL_KEEP = 64;

describe("a receiver of PostgreSQL's log", function () {
  this.timeout(300_000);
  let world: World;

  /** Fills so many segments of the log, until PostgreSQL has thrown away what it need not keep. */
  const fill = async (segments: number): Promise<void> => {
    const first = await world.sql("SELECT pg_walfile_name(pg_current_wal_lsn())");
    // A transaction for each, so that each switch comes to a segment that has something in it.
    const one = "INSERT INTO filled VALUES (1);\nSELECT pg_switch_wal() \\g /dev/null\n";
    await world.psql(`\\connect omniai\n${one.repeat(segments)}`);
    // A checkpoint keeps what was not summarised yet, for incremental backups: a later one does not.
    await eventually("the end of the old segments", 90, async () => {
      await world.sql("CHECKPOINT");
      const oldest = "SELECT min(name) FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]{24}$'";
      return (await world.sql(oldest)) > first;
    });
  };
  const slot = (): Promise<string> =>
    world.sql("SELECT wal_status, active FROM pg_replication_slots WHERE slot_name = 'omniai_backup'");
  const receives = (): Promise<unknown> =>
    eventually("the receiver", 60, async () => (await slot()).endsWith("|t"));
  /** Until the room has all that was written so far. */
  const received = async (): Promise<unknown> => {
    const position = await world.sql("SELECT pg_current_wal_flush_lsn()");
    const found = `SELECT bool_or(flush_lsn >= '${position}') FROM pg_stat_replication`;
    return eventually("the log in the room", 60, async () => (await world.sql(found)) === "t");
  };
  const signal = async (name: string): Promise<string> => {
    const [pid = assert.fail("no receiver")] = await world.pidsOf("pg_receivewal");
    await world.inRoom(`kill -${name} ${pid}`);
    return pid;
  };
  const newestBase = async () => (await world.list()).backups.find(({ kind }) => kind === "base");
  /** The room says what was lost, takes a full base backup without anybody asking, and is well again. */
  const mends = async (before: string | undefined, expected: RegExp): Promise<void> => {
    let said = "";
    await eventually("a new base backup", 120, async () => {
      const problems = await world.problems();
      for (const problem of problems) if (!said.includes(problem)) said += `${problem}\n`;
      return /the log has a gap since .*new base backup/.test(said) && problems.length === 0;
    });
    const newest = await newestBase();
    assert.notEqual(newest?.id, before);
    assert.equal(newest?.state, "verified");
    assert.match(said, expected);
    assert.match(await world.roomLog(), expected);
    assert.equal((await newestBase())?.level, "full");
    await receives();
    await world.sql("INSERT INTO filled VALUES (1000)");
    assert.deepEqual((await world.get<Restored>("restore")).changes, []);
  };

  const ready = worldAhead(() =>
    worldWithBackups((made) => made.sql("CREATE TABLE filled (n int)"), { walKeep: WAL_KEEP }),
  );
  before(async () => {
    world = await ready();
    await receives();
  });
  after(() => world?.remove());

  it("killed, is started again and loses nothing", async () => {
    const before = await newestBase();
    const serves = (): Promise<string> =>
      world.sql("SELECT active_pid FROM pg_replication_slots WHERE slot_name = 'omniai_backup'");
    const killed = await serves();
    await signal("KILL");
    await world.sql("INSERT INTO filled VALUES (7)");
    // The server may not know yet that the one before is gone.
    await eventually("another receiver", 60, async () => !["", killed].includes(await serves()));
    assert.deepEqual((await world.get<Restored>("restore")).changes, []);
    const { status } = await world.list();
    assert.deepEqual(status.problems, []);
    assert.equal((await newestBase())?.id, before?.id);
  });

  it("away for too long: never fills the server's disk; the room says so and takes a new base backup by itself", async () => {
    const before = await newestBase();
    await world.sql("INSERT INTO filled VALUES (42)");
    const rows = Number(await world.sql("SELECT count(*) FROM filled"));
    const moment = await world.sql("SELECT clock_timestamp()");
    await world.sql("INSERT INTO filled VALUES (43)");
    const late = await world.sql("SELECT clock_timestamp()");
    await received();
    await world.stopRoom();
    await fill(12);
    assert.equal(await slot(), "lost|f");
    // The server keeps what it may and the segment that it writes to; later ones are old files that it uses again.
    const past = "name ~ '^[0-9A-F]{24}$' AND name <= pg_walfile_name(pg_current_wal_lsn())";
    const kept = Number(await world.sql(`SELECT sum(size) FROM pg_ls_waldir() WHERE ${past}`)) / 2 ** 20;
    assert.ok(kept <= WAL_KEEP + 32, `${kept} MiB of the log are kept`);
    await world.startRoom();
    await mends(before?.id, /has thrown away changes/);
    // What came before the gap can still be had.
    const { changes } = await world.get<Restored>("restore", "--to", moment);
    assert.equal(changes.find(({ table }) => table === "omniai: public.filled")?.backup, rows);
    // Of what came after the last change before it, nobody knows.
    const { code, what, remedy } = await world.ask("restore", "--to", late);
    assert.equal(code, 1);
    assert.match(what, /gap before that moment: .*the last change before it is of \d{4}-/);
    assert.match(remedy, /--to/);
  });

  it("whose slot is gone makes a new one, and a new base backup where changes are missing", async () => {
    const before = await newestBase();
    await world.stopRoom();
    await world.sql("SELECT pg_drop_replication_slot('omniai_backup')");
    await fill(12);
    await world.startRoom();
    await mends(before?.id, /cannot be had any more|is gone/);
  });

  it("whose slot is gone goes on where nothing is missing", async () => {
    const before = await newestBase();
    await world.stopRoom();
    await world.sql("SELECT pg_drop_replication_slot('omniai_backup'); INSERT INTO filled VALUES (8)");
    await world.startRoom();
    await receives();
    assert.deepEqual((await world.get<Restored>("restore")).changes, []);
    assert.equal((await newestBase())?.id, before?.id);
  });

  it("that hangs makes the room unhealthy after its time, and is started again", async () => {
    // A stack's room gives it a minute, and half a minute after the server has given it up (test_wal.py).
    await world.stopRoom();
    await world.startRoom({ OMNIAI_ROOM_LAG: "3", OMNIAI_ROOM_HANGS: "3" });
    await receives();
    await world.sql("ALTER SYSTEM SET wal_sender_timeout = '4s'");
    await world.sql("SELECT pg_reload_conf()");
    // In its log, as the alarm is over as soon as there is another receiver.
    const alarms = async (): Promise<number> =>
      (await world.roomLog()).split(/the log was last received \d+ s ago .*not safe yet/).length;
    const before = await alarms();
    const hanging = await signal("STOP");
    await world.sql("INSERT INTO filled VALUES (9)");
    await eventually("the alarm", 60, async () => (await alarms()) > before);
    await eventually("another receiver", 60, async () => {
      const [now] = await world.pidsOf("pg_receivewal");
      return now !== undefined && now !== hanging;
    });
    await receives();
    // Of a busy machine a receiver may be three seconds late, and here that is an alarm.
    await eventually("health", 60, async () => {
      const all = [...(await world.problems()), ...(await world.list()).status.problems];
      if (all.length > 0) throw new Error(all.join("; "));
      return true;
    });
    assert.deepEqual((await world.get<Restored>("restore")).changes, []);
  });

  describe("and commits that wait for it", () => {
    before(async () => {
      await world.stopRoom();
      await world.sql("ALTER SYSTEM RESET wal_sender_timeout");
      await world.psql(`\\connect omniai\n${TABLE}`);
      await world.startRoom();
      await world.psql(renderSynchronous(true));
      await inStep();
    });

    const commit = (n: number): Promise<number> => {
      const child = spawn("docker", [
        ...["exec", world.postgres, "psql", "-XqAtU", "postgres", "-d", "omniai"],
        ...["-c", `INSERT INTO acknowledged VALUES (-1, ${n})`],
      ]);
      return once(child, "close").then(([code]) => Number(code));
    };
    const waiting = (): Promise<unknown> =>
      eventually("the wait", 60, async () => {
        const found = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
        return (await world.sql(found)) === "1";
      });
    const inStep = (): Promise<unknown> =>
      eventually("the receiver in step", 60, async () => {
        const found = "SELECT sync_state FROM pg_stat_replication WHERE sync_state = 'sync'";
        return (await world.sql(found)) === "sync";
      });

    it("end when it is back, or are not waited for any more; reads go on all the time", async () => {
      await world.stopRoom();
      const first = commit(1);
      await waiting();
      assert.equal(await world.sql("SELECT count(*) FROM acknowledged"), "0", "reads go on");
      await world.startRoom();
      assert.equal(await first, 0);
      await world.stopRoom();
      const second = commit(2);
      await waiting();
      // What `npm run up` does after omniai:backupSynchronous has become false.
      await world.psql(renderSynchronous(false));
      assert.equal(await second, 0);
      await world.psql(renderSynchronous(true));
      await world.startRoom();
      await inStep();
    });

    it("are all there after SIGKILL and the loss of PostgreSQL's volume, at 500 a second", async () => {
      const { acknowledged, missing } = await loseUnderWrites(world, 6);
      assert.ok(acknowledged > 2000, `only ${acknowledged} were acknowledged`);
      assert.equal(missing, 0, `${missing} of ${acknowledged}`);
    });
  });
});
