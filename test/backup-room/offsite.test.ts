/** Copies off-site: to a real S3 server through the stack's gate, back again, and everything that can go wrong between. */
import { strict as assert } from "node:assert";
import { spawn } from "node:child_process";
import {
  GATE,
  offsiteEnvironment,
  offsiteFiles,
  type OffsiteArgs,
} from "../../infra/components/offsite/offsite.ts";
import { makeKey } from "../../ops/commands/backup/key.ts";
import type { OffsiteStatus } from "../../ops/engine/backup-room.ts";
import { worldAhead } from "../support/backup-room/ahead.ts";
import { eventually } from "../support/http.ts";
import {
  ACCESS_KEY,
  BUCKET,
  BucketServer,
  ENDPOINT,
  SECRET_KEY,
  TLS_ENDPOINT,
} from "../support/backup-room/bucket.ts";
import { buildImage, World, type Restored } from "../support/backup-room/world.ts";

interface Copy {
  readonly copies: readonly { readonly id: string; readonly bytes: number }[];
}

const OTHER_KEY = makeKey();
const KEY = makeKey();

/** What the stack gives its room. @param endpoint of the bucket */
const argsFor = (endpoint: string, more: Partial<OffsiteArgs> = {}): OffsiteArgs => ({
  endpoint,
  repository: `s3:${endpoint}/${BUCKET}/dev`,
  region: "",
  accessKeyId: ACCESS_KEY,
  secretKey: undefined as never,
  key: undefined as never,
  authority: "",
  // The first copy is taken by itself; all others are asked for.
  minutes: 1440,
  days: 30,
  ...more,
});
const settingsOf = (args: OffsiteArgs): Record<string, string> =>
  Object.fromEntries(Object.entries(offsiteEnvironment(args)).map(([key, value]) => [key, value as string]));

describe("copies off-site", function () {
  this.timeout(240_000);
  let world: World;
  let bucket: BucketServer;
  const base = argsFor(ENDPOINT);

  const status = async (): Promise<{ offsite: OffsiteStatus; problems: readonly string[] }> => {
    const { status: found } = await world.get<{ status: { offsite: OffsiteStatus; problems: string[] } }>(
      "status",
    );
    return found;
  };
  const send = (environment: Record<string, string> = {}) =>
    world.askWith({ OMNIAI_OFFSITE_PATIENCE: "4", ...environment }, "offsite");
  const ids = async () => (await world.get<Copy>("copies")).copies.map(({ id }) => id);
  /** The same, of the bucket itself: all that it calls a copy. */
  const snapshots = (): Promise<string> => bucket.inBucket("ls dev/snapshots");
  /** What the room has noted of its copies; without starting a program of it. */
  const noted = async (): Promise<Partial<OffsiteStatus>> =>
    JSON.parse(await world.inRoom("cat /backup/offsite.json")) as Partial<OffsiteStatus>;
  /** What the room has that a backup could be taken for. */
  const shelf = () => world.inRoom("cd /backup; find dumps base wal -type f | sort | head -n 500");
  const backups = () => world.inRoom("cd /backup; find dumps base -type f | sort | xargs sha256sum");
  /** A piece of the log is packed meanwhile, and goes on being the same. */
  const segmentsOf = (files: string) =>
    new Set(files.split("\n").map((name) => /[0-9A-F]{24}/.exec(name)?.[0] ?? name));
  const fresh = (rows: number) =>
    world.sql(`INSERT INTO kept SELECT n, md5(random()::text) FROM generate_series(1, ${rows}) n`);

  const removeAll = async (): Promise<void> => {
    // First the bucket, whose gate is on the room's network: a network with somebody on it cannot be removed.
    await bucket?.remove();
    await world?.remove();
  };
  const ready = worldAhead(async () => {
    const image = await buildImage();
    world = await World.create(image);
    bucket = await BucketServer.create(image, world.name);
    const files = offsiteFiles(base, SECRET_KEY, KEY);
    await world.addSecrets({
      ...Object.fromEntries(Object.entries(files).map(([name, { content }]) => [name, String(content)])),
      "other-key": `${OTHER_KEY}\n`,
      "other-credentials": String(offsiteFiles(base, "wrong", KEY)["offsite-credentials"]?.content),
      "authority.pem": bucket.authority,
    });
    await world.sql("CREATE TABLE kept (n int, text text)");
    await fresh(20_000);
    await world.startRoom(settingsOf(base));
    return world;
  }, removeAll);
  before(async () => {
    world = await ready();
    await eventually("the first copy", 220, async () => (await noted()).last != null);
  });
  after(removeAll);

  it("are taken by the room itself, soon after the first backups; it says how old the newest is", async () => {
    const { offsite, problems } = await status();
    // Not after now: this world came up while another suite ran its tests.
    const { backups: taken } = await world.list();
    const verified = Math.max(
      ...taken.flatMap(({ verifiedAt }) => (verifiedAt === null ? [] : [Date.parse(verifiedAt)])),
    );
    assert.ok(offsite.last !== null && Date.parse(offsite.last.at) - verified < 180_000);
    assert.equal(offsite.failure, null);
    assert.deepEqual(problems, []);
    assert.equal(offsite.last.id, (await ids())[0]);
    // The first one is followed by a look at what was sent.
    await eventually("the first check", 60, async () => (await noted()).checkedAt != null);
    assert.equal(await world.inRoom("ls -d /backup/outgoing 2>/dev/null | wc -l"), "0");
  });

  it("leave nothing readable in the bucket, and no key in the room's arguments or environment", async () => {
    assert.equal(await bucket.inBucket("grep -rlE 'PGDMP|kept|manifest' . | wc -l"), "0");
    assert.doesNotMatch(await world.inRoom("env; cat /proc/[0-9]*/cmdline | tr '\\0' ' '"), new RegExp(KEY));
  });

  it("go through a gate that lets nothing but the bucket's own host and port through", async () => {
    const by = (url: string): Promise<string> =>
      world.inRoom(
        `python3 -c 'import urllib.request, sys
try: print(urllib.request.build_opener(urllib.request.ProxyHandler({"http": "http://${GATE}:8888", "https": "http://${GATE}:8888"})).open("${url}", timeout=10).status)
except Exception as error: print(getattr(error, "code", None) or error)'`,
      );
    // Whoever has no key is refused by the bucket, not by the gate.
    assert.match(await by(`${ENDPOINT}/hits`), /200/);
    for (const url of [
      "http://behind.test:7070/",
      "http://s3.test:9001/",
      "http://s3.test.evil:9000/",
      "https://s3.test:9000/",
      "http://postgres:5432/",
    ])
      assert.match(await by(url), /403|Filtered|[Tt]unnel connection failed: 403/, url);
    await assert.rejects(
      world.inRoom(
        `python3 -c 'import socket; socket.create_connection(("${await bucket.address()}", 9000), 2)'`,
      ),
      "the room itself has no way out",
    );
  });

  it("have an authority's certificates where the stack has any, which come back byte by byte", async () => {
    const inCopy = async (): Promise<string | null> =>
      (await world.get<{ content: string | null }>("certificates")).content;
    assert.equal(await inCopy(), null);
    const place = "/tmp/certificates.tar";
    await world.inRoom(`head -c 70000 /dev/urandom > ${place}`);
    const { code, what } = await send({ OMNIAI_CERTIFICATES_COPY: place });
    assert.equal(code, 0, what);
    const expected = await world.inRoom(`base64 -w 0 ${place}`);
    assert.equal(await inCopy(), expected);
    assert.equal(await world.inRoom("ls -d /backup/fetching-certificates 2>/dev/null | wc -l"), "0");
    await world.inRoom(`rm ${place}`);
  });

  describe("that fail", () => {
    let before: string;
    let files: string;
    let content: string;
    beforeEach(async () => {
      await bucket.setFault("none");
      before = await snapshots();
      files = await shelf();
      content = await backups();
      await fresh(20_000);
    });
    /** Nothing was damaged: the same copies, the same backups here, nothing half made, and the next one is good. */
    const unharmed = async (): Promise<void> => {
      await bucket.setFault("none");
      assert.equal(await snapshots(), before);
      assert.equal(await backups(), content);
      const there = segmentsOf(await shelf());
      assert.deepEqual(
        [...segmentsOf(files)].filter((name) => !there.has(name)),
        [],
      );
      assert.equal(await world.inRoom("ls -d /backup/outgoing /backup/fetching 2>/dev/null | wc -l"), "0");
    };

    it("by a wrong key: refused, with the id of the key", async () => {
      const { code, what, remedy } = await send({ OMNIAI_OFFSITE_KEY_FILE: "/run/secrets/other-key" });
      assert.equal(code, 1);
      assert.match(what, /key \(id [0-9a-f]{8}\) does not open the repository/);
      assert.match(remedy, /omniai:offsiteKey/);
      assert.match(
        (await status()).problems.join(),
        /last copy off-site failed .* does not open the repository/,
      );
      await unharmed();
      assert.equal((await send()).code, 0);
      assert.deepEqual((await status()).problems, []);
    });

    it("by another stack's repository: refused before anything is written", async () => {
      const { code, what } = await send({ OMNIAI_STACK: "other" });
      assert.equal(code, 1);
      assert.match(what, /holds the copies of stack dev, and this is stack other/);
      await unharmed();
    });

    it("because the access is denied: said at once, not after a quarter of an hour", async () => {
      const started = Date.now();
      const { code, what, remedy } = await send({
        OMNIAI_OFFSITE_CREDENTIALS_FILE: "/run/secrets/other-credentials",
      });
      assert.equal(code, 1);
      assert.match(what, /denies the access/);
      assert.match(remedy, /omniai:offsiteSecretKey/);
      assert.ok(Date.now() - started < 180_000);
      await unharmed();
    });

    it("because there is no such bucket: it is not made up", async () => {
      const { code, what } = await send({ OMNIAI_OFFSITE_REPOSITORY: `s3:${ENDPOINT}/no-such-bucket/dev` });
      assert.equal(code, 1);
      assert.match(what, /bucket .* does not exist/);
      await unharmed();
    });

    it("because S3 answers 500: given up in time, tried again by itself, and an alarm only when it lasts", async () => {
      await bucket.setFault("500");
      const { code, what } = await send();
      assert.equal(code, 1);
      assert.match(what, /cannot be reached or does not work/);
      assert.deepEqual((await status()).problems, []);
      await unharmed();
      assert.equal((await send()).code, 0);
    });

    it("because the bucket is full: said, and what is there stays", async () => {
      await bucket.setFault("full");
      const { code, what } = await send();
      assert.equal(code, 1);
      assert.match(what, /takes nothing more/);
      await unharmed();
    });

    it("because an upload hangs: given up, and no half of a copy is there", async () => {
      await bucket.setFault("hang");
      const child = spawn("docker", ["exec", world.room, "python3", "-m", "room", "offsite"]);
      const ended = new Promise((resolve) => child.once("close", resolve));
      await eventually("the upload", 90, async () => (await bucket.hits()) > 0);
      // What an operator or the engine does: the run is told to stop.
      await world.inRoom(
        "for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline | grep -aq '^python3 -m room offsite' && kill -TERM ${p#/proc/}; done 2>/dev/null; true",
      );
      await ended;
      await unharmed();
    });

    it("because the line breaks within an upload: sent again, and the copy is whole", async () => {
      await bucket.setFault("cut");
      // It mends itself by the third try, which on a busy machine is later than what the other faults get.
      const { code, what } = await send({ OMNIAI_OFFSITE_PATIENCE: "60" });
      assert.equal(code, 0, what);
      assert.ok((await bucket.hits()) >= 3);
      await bucket.setFault("none");
      assert.equal((await world.ask("check")).code, 0);
    });

    it("not because the line is slow: it takes its time", async () => {
      await bucket.setFault("slow");
      const { code, what } = await send();
      assert.equal(code, 0, what);
      assert.ok((await bucket.hits()) > 10);
    });

    it("because they are killed in the middle: the lock that is left holds nothing up", async () => {
      await bucket.setFault("hang");
      const child = spawn("docker", ["exec", world.room, "python3", "-m", "room", "offsite"]);
      const ended = new Promise((resolve) => child.once("close", resolve));
      await eventually("the upload", 90, async () => (await bucket.hits()) > 0);
      await world.inRoom(
        "for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline | grep -aq '^python3 -m room offsite' && kill -KILL ${p#/proc/}; done 2>/dev/null; true",
      );
      await ended;
      assert.notEqual(await bucket.inBucket("ls dev/locks | wc -l"), "0");
      await bucket.setFault("none");
      assert.equal(await snapshots(), before);
      const { code, what } = await send();
      assert.equal(code, 0, what);
      // It also has to be looked after, which needs the repository for itself.
      assert.equal((await world.ask("check")).code, 0);
      assert.equal(await world.inRoom("ls -d /backup/outgoing 2>/dev/null | wc -l"), "0");
    });
  });

  describe("all the same", () => {
    /** Another key than the stack's, which takes its place towards the end. */
    const other = { OMNIAI_OFFSITE_KEY_FILE: "/run/secrets/other-key" };
    it("go to a bucket by TLS with an authority of its own, and to no other that has its name", async () => {
      await bucket.openGate(TLS_ENDPOINT);
      try {
        const tls = { OMNIAI_OFFSITE_REPOSITORY: `s3:${TLS_ENDPOINT}/${BUCKET}/dev` };
        const { code, what } = await send(tls);
        assert.equal(code, 1);
        assert.match(what, /certificate .* is not trusted/);
        const good = await send({ ...tls, OMNIAI_OFFSITE_AUTHORITY_FILE: "/run/secrets/authority.pem" });
        assert.equal(good.code, 0, good.what);
      } finally {
        await bucket.openGate(ENDPOINT);
      }
    });

    it("that do not fit on the disk are not fetched", async () => {
      const { code, what } = await world.askWith({ OMNIAI_BACKUP_FOLDER: "/tmp" }, "fetch");
      assert.equal(code, 1);
      assert.match(what, /MiB free, and this needs about/);
    });

    it("keep the stack's state, sealed, and give it back as it was", async () => {
      const state = JSON.stringify({ format: 1, secret: "do-not-show", many: "x".repeat(100_000) });
      await world.inRoom(`printf '%s' '${state}' | python3 -m room seal`);
      assert.equal(await world.inRoom("grep -rl do-not-show /backup/sealed | wc -l"), "0");
      assert.equal((await send()).code, 0);
      assert.equal((await world.get<{ content: string }>("state")).content, state);
    });

    it("bring back pieces of the log that are damaged or not whole here, but none that is being written", async () => {
      let last = "";
      for (let n = 0; n < 4; n += 1) {
        last = await world.sql("SELECT pg_walfile_name(pg_current_wal_lsn())");
        await world.sql("CREATE TABLE x (n int); DROP TABLE x; SELECT pg_switch_wal()");
      }
      const log = await world.inRoom("echo /backup/wal/*");
      await eventually("the segments", 60, async () =>
        (await world.inRoom(`ls ${log}/archive`)).includes(`${last}.zst`),
      );
      assert.equal((await send()).code, 0);
      const [flipped, begun, open] = (
        await world.inRoom(`ls ${log}/archive | grep -v history | tail -n 3`)
      ).split("\n");
      const sums = () => world.inRoom(`cd ${log}/archive; sha256sum ${flipped} ${begun}`);
      const before = await sums();
      await world.inRoom(`cd ${log}; printf XXXXXXXX | dd of=archive/${flipped} bs=1 seek=100 conv=notrunc 2>&1
        for name in ${begun} ${open}; do
          zstd -dcq archive/$name | head -c 99999 > incoming/\${name%.zst}.partial; rm archive/$name
        done`);
      const { code, remedy } = await world.ask("restore");
      assert.equal(code, 1);
      assert.match(remedy, /copy off-site may have it whole: npm run backup -- fetch/);
      await world.inRoom(`exec 9>> ${log}/incoming/$(basename ${open} .zst).partial; python3 -m room fetch`);
      assert.equal(await sums(), before);
      const there = () => world.inRoom(`cd ${log}; ls incoming archive`);
      assert.doesNotMatch(await there(), new RegExp(`${(begun ?? "").replace(".zst", ".partial")}`));
      assert.doesNotMatch(await there(), new RegExp(open ?? ""));
      await world.get("fetch");
      assert.match(await there(), new RegExp(open ?? ""));
      assert.deepEqual((await world.get<Restored>("restore")).changes, []);
    });

    it("bring everything back after the loss of the host, up to the newest copy", async () => {
      await world.sql("CREATE TABLE clock AS SELECT 1 AS n");
      const rows = await world.sql("SELECT count(*) FROM kept");
      await eventually(
        "the change in the room",
        60,
        async () =>
          (await world.sql("SELECT bool_or(flush_lsn >= pg_current_wal_lsn()) FROM pg_stat_replication")) ===
          "t",
      );
      assert.equal((await send()).code, 0);
      await world.sql("INSERT INTO clock VALUES (2)");
      await world.losePostgres();
      await world.loseBackups();
      await world.startPostgres();
      await world.startRoom(settingsOf(base));
      // A server that began empty must not take the place of what is off-site, by and by.
      await eventually("its refusal", 150, async () =>
        /another PostgreSQL .* begun anew/.test((await noted()).failure?.what ?? ""),
      );
      assert.match((await status()).problems.join(), /another PostgreSQL/);
      await world.get("fetch", "--wait", "120");
      const restored = await world.ask("restore", "--keep");
      assert.equal(restored.code, 0, restored.what);
      const { changes, mark } = restored.events.at(-1) as unknown as Restored;
      const said = await world.inRoom("cat /backup/restored/restored.json");
      assert.equal((JSON.parse(said) as { readonly mark: string }).mark, mark);
      const of = (table: string) => changes.find((one) => one.table === `omniai: public.${table}`);
      assert.equal(of("kept")?.backup, Number(rows));
      assert.equal(of("clock")?.backup, 1);
      assert.equal(of("kept")?.now, null);
      // What goes on from there is the same stack.
      const { code, what } = await send();
      assert.equal(code, 0, what);
    });

    it("open with the stack's key wherever a change of it is killed, and with no other once the next run is over", async () => {
      /** Ends before or after restic adds or removes a key. */
      const dying = `
import os, sys
from room import __main__, restic
verb, when, whole = *sys.argv[1:3], restic.Restic.run
def run(self, *args, **more):
    reached = args[:2] == ("key", verb)
    if reached and when == "before":
        os._exit(9)
    found = whole(self, *args, **more)
    if reached:
        os._exit(9)
    return found
restic.Restic.run = run
sys.argv = ["room", *sys.argv[3:]]
sys.exit(__main__.main())`;
      const die = (key: string, step: string, verb: string, input = "/dev/null"): Promise<void> =>
        assert.rejects(
          world.inRoom(`OMNIAI_OFFSITE_KEY_FILE=${key} python3 -c '${dying}' ${step} ${verb} < ${input}`),
          { code: 9 },
        );
      const [own, next] = ["/run/secrets/offsite-key", "/run/secrets/other-key"];
      const works = async (key: string): Promise<void> =>
        assert.equal((await send({ OMNIAI_OFFSITE_KEY_FILE: key })).code, 0);
      for (const [from, to, when] of [
        [own, next, "before"],
        [next, own, "after"],
      ] as const) {
        // Of that run nobody has the key: the next one makes another.
        await world.inRoom(`echo ${makeKey()} > /tmp/lost`);
        await die(from, `add ${when}`, "rekey", "/tmp/lost");
        await works(from);
        // A copy that is under way is waited for.
        const copying =
          "rm -f /tmp/copying; flock /backup/offsite-lock sh -c 'touch /tmp/copying; sleep 1' & until [ -e /tmp/copying ]; do sleep 0.05; done";
        await world.inRoom(`${copying}; OMNIAI_OFFSITE_KEY_FILE=${from} python3 -m room rekey < ${to}`);
        // That copies go on with the former one until then: the next test.
        await die(to, `remove ${when}`, "offsite");
        await works(to);
        assert.equal(await bucket.inBucket("ls dev/keys | wc -l"), "1");
      }
    });

    it("open with another key once it is there, and with the old one only until a copy was sent with the new one", async () => {
      assert.equal((await world.ask("rekey")).code, 1, "no key is no key");
      await world.inRoom("python3 -m room rekey < /run/secrets/other-key");
      // Not deployed yet: copies go on with the one of the stack.
      assert.equal((await send()).code, 0);
      assert.equal((await send(other)).code, 0);
      const { code, what } = await send();
      assert.equal(code, 1);
      assert.match(what, /does not open the repository/);
    });

    it("that are damaged are found by the check, not fetched, and what is here stays good", async () => {
      const before = await shelf();
      await bucket.inBucket(
        "for f in $(find dev/data -type f -size +20k); do truncate -s $(( $(stat -c %s $f) / 2 )) $f; done",
      );
      const { code, what } = await world.askWith(other, "check");
      assert.equal(code, 1);
      assert.match(what, /repository .* is damaged/);
      assert.match((await status()).problems.join(), /copies off-site are damaged/);
      await world.inRoom("rm -rf /backup/offsite-work");
      const fetched = await world.askWith(other, "fetch");
      assert.equal(fetched.code, 1);
      assert.match(fetched.what, /is damaged|Not all of the copy could be read/);
      assert.equal(await shelf(), before);
    });
  });
});
