/** Copies of Redis: taken from a real one, proved, and brought back under a new epoch. */
import { strict as assert } from "node:assert";
import { worldAhead } from "../support/backup-room/ahead.ts";
import { eventually } from "../support/http.ts";
import { buildImage, untilVerified, World, type Restored } from "../support/backup-room/world.ts";

const [META, LOG] = ["omniai:events:meta", "omniai:events:log"];
const EPOCH = "abcd1234";

describe("copies of Redis", function () {
  this.timeout(240_000);
  let world: World;
  const append = async (from: number, to: number, into = world): Promise<void> => {
    const commands = [];
    for (let n = from; n <= to; n += 1)
      commands.push(`XADD ${LOG} 1000-${n} e ${EPOCH} n ${n} t topic y type d '{"n":${n}}'`);
    commands.push(`HSET ${META} epoch ${EPOCH} count ${to}`);
    await into.redis.script(commands);
  };
  /** Of Redis alone. */
  const only = ["--kind", "redis"];
  const copies = async () => (await world.list()).backups.filter(({ kind }) => kind === "redis");

  const ready = worldAhead(async () => {
    const made = await World.create(await buildImage(), { redis: true });
    await append(1, 1200, made);
    await made.redis.script([
      `SET omniai:events:once:key "print ${EPOCH} 1000-7" EX 5000`,
      'HSET omniai:session:a user ada scopes "events:read"',
      "PEXPIRE omniai:session:a 3000000",
    ]);
    await made.startRoom();
    await untilVerified(made, 3);
    return made;
  });
  before(async () => {
    world = await ready();
  });
  after(() => world?.remove());

  it("are taken with the others, and count once they were loaded and compared", async () => {
    const [copy] = await copies();
    assert.equal(copy?.state, "verified");
    assert.equal(copy?.rows, 4, "meta, log, key, session");
    assert.deepEqual((await world.list()).status.problems, []);
  });

  it("are restored beside, and compared with what Redis has now", async () => {
    assert.deepEqual((await world.get<Restored>("restore", "--redis")).changes, []);
    await append(1201, 1210);
    const { changes } = await world.get<Restored>("restore", "--redis");
    assert.deepEqual(changes, [
      { table: "redis: events in the log", backup: 1200, now: 1210 },
      { table: "redis: number of the newest event", backup: 1200, now: 1210 },
    ]);
  });

  it("a restored Redis has every entry under a new epoch, goes on after its last id, and forgets nothing else", async () => {
    const kept = async (): Promise<string> => {
      const { mark, backup } = await world.get<Restored>("restore", "--redis", "--keep");
      const file = await world.inRoom("cat /backup/restored-redis/restored.json");
      const said = JSON.parse(file) as { readonly id: string; readonly mark: string };
      assert.deepEqual([said.mark, said.id], [mark, backup.id]);
      assert.match(said.mark, /^[0-9a-f]{32}$/);
      return said.mark;
    };
    // By its mark, who puts it in place knows it from another restore of the same copy.
    assert.notEqual(await kept(), await kept());
    await world.redis.stop();
    await world.redis.start("/backup/restored-redis/data");
    const [epoch = "", count] = (await world.redis.ask("HMGET", META, "epoch", "count")).split("\n");
    assert.notEqual(epoch, EPOCH);
    assert.match(epoch, /^[0-9a-z]{4,32}$/);
    assert.equal(count, "1200");
    const entries = (await world.redis.ask("XRANGE", LOG, "-", "+")).split("\n");
    assert.equal(entries.filter((line) => line === epoch).length, 1200);
    assert.ok(!entries.includes(EPOCH));
    assert.equal(entries.filter((line) => /^1000-\d+$/.test(line)).length, 1200);
    // An id that was given out before cannot come again.
    assert.match(await world.redis.ask("XADD", LOG, "1000-1200", "e", epoch), /equal or smaller/);
    assert.match(
      await world.redis.ask("GET", "omniai:events:once:key"),
      new RegExp(`^print ${epoch} 1000-7$`),
    );
    const left = Number(await world.redis.ask("PTTL", "omniai:events:once:key"));
    assert.ok(left > 4_000_000 && left <= 5_000_000, `${left} ms`);
    assert.equal(await world.redis.ask("EXISTS", "omniai:session:a"), "1");
    // It is on disk again, as before: a restart of it loses nothing.
    await world.redis.ask("HSET", META, "count", "1201");
    await world.redis.restart();
    assert.equal(await world.redis.ask("HMGET", META, "epoch", "count"), `${epoch}\n1201`);
  });

  const ways: [string, (file: string, other: string) => string, RegExp][] = [
    ["a flipped bit", (f) => `printf X | dd of=${f} bs=1 seek=300 conv=notrunc`, /not what was written/],
    ["a file that was cut off", (f) => `truncate -s -1 ${f}`, /another length|had \d+ when/],
    ["an empty file", (f) => `: > ${f}`, /another length|had \d+ when/],
    ["a file of another copy", (f, o) => `cp ${o} ${f}`, /another length|had \d+ when|not what was written/],
  ];
  for (const [name, change, expected] of ways)
    it(`${name}: is refused before anything is loaded, and another copy is offered`, async () => {
      if ((await copies()).length < 2) await world.get("backup", ...only);
      const [first, second] = await copies();
      assert.ok(first && second);
      const folder = `/backup/redis/${first.id}`;
      await world.inRoom(
        `cp -a ${folder} /tmp/kept; ${change(`${folder}/dump.rdb.zst`, `/backup/redis/${second.id}/dump.rdb.zst`)} 2>&1`,
      );
      const { code, what, remedy, events } = await world.ask(
        "restore",
        "--redis",
        "--id",
        first.id,
        "--keep",
      );
      await world.inRoom(`rm -rf ${folder}; mv /tmp/kept ${folder}`);
      assert.equal(code, 1);
      assert.match(what, expected);
      assert.match(remedy, new RegExp(`newest verified one is ${second.id}`));
      assert.ok(!events.some((event) => event.event === "step" && /loading/.test(event.text)));
    });

  it("a copy whose content is of another time does not count, though each file is as it was written", async () => {
    await world.get("backup", ...only);
    const [newest] = await copies();
    assert.ok(newest);
    const script = `
import json, pathlib
from room import manifest
folder = pathlib.Path("/backup/redis/${newest.id}")
found = manifest.read(folder)
for look in ("before", "after"):
    found[look]["count"] += 5
manifest.write(folder, found)`;
    await world.inRoom(`cp -a /backup/redis/${newest.id} /tmp/kept; python3 -c '${script}'`);
    const { code, what } = await world.ask("verify", "--id", newest.id);
    await world.inRoom(`rm -rf /backup/redis/${newest.id}; mv /tmp/kept /backup/redis/${newest.id}`);
    assert.equal(code, 1);
    assert.match(what, /does not have what Redis had[\s\S]*number of the newest event/);
  });

  for (const stage of ["copying Redis", "loading it into a scratch Redis"])
    it(`killed at "${stage}": nothing looks like a new copy, nothing goes on, and the next run is good`, async () => {
      const before = new Set((await copies()).map(({ id }) => id));
      await world.killedAt(stage, ...only);
      for (const { id, state } of (await copies()).filter(({ id: one }) => !before.has(one)))
        assert.equal(state, "not verified", id);
      await eventually("the end of its children", 60, async () =>
        (await world.programs()).every((line) => !/redis-cli|redis-server/.test(line)),
      );
      await world.get("backup", ...only);
      assert.equal((await copies())[0]?.state, "verified");
      assert.equal(await world.inRoom("ls -d /backup/*/*.partial 2>/dev/null | wc -l"), "0");
    });

  it("a Redis that is newer than the room's own is refused, before anything is written", async () => {
    const script = "from room import redis_copy; redis_copy.check_version('99.1.0')";
    await assert.rejects(
      world.inRoom(`python3 -c "${script}"`),
      /Redis 99\.1\.0 is newer than this room's own/,
    );
  });

  it("without Redis, the run says so, leaves no half of a copy, and takes PostgreSQL's backups all the same", async () => {
    const before = (await world.list()).backups;
    // Where nothing listens; a name that leads nowhere takes the resolver most of a minute.
    const { code, what, remedy } = await world.askWith({ OMNIAI_REDIS_HOST: "127.0.0.1" }, "backup");
    assert.equal(code, 1);
    assert.match(what, /Redis does not do what the backup room asks/);
    assert.match(remedy, /npm run logs -- redis/);
    const { backups, status } = await world.list();
    const taken = backups.filter(({ id }) => !before.some((one) => one.id === id));
    assert.deepEqual(taken.map(({ kind, state }) => [kind, state]).sort(), [
      ["base", "verified"],
      ["dump", "verified"],
    ]);
    assert.equal(await world.inRoom("ls -d /backup/redis/*.partial 2>/dev/null | wc -l"), "0");
    assert.match(status.problems.join(), /the last run failed .*Redis/);
  });
});
