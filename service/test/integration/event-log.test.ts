/** The promises of the event log, held by both kinds of it. */
import { strict as assert } from "node:assert";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FileEventLog } from "../../dev/file-log.ts";
import { loadConfig, type EventsConfig } from "../../src/platform/env/config.ts";
import { compareIds, formatPosition } from "../../src/events/log/cursor.ts";
import { Backlog } from "../../src/events/stream/backlog.ts";
import { Hub } from "../../src/events/stream/hub.ts";
import {
  LogUnavailableError,
  IdempotencyKeyReusedError,
  PAGE_BYTES,
  type EventLog,
  type LogEntry,
} from "../../src/events/log/log.ts";
import { poll, type PollPage } from "../../src/events/stream/poll.ts";
import { LogReader } from "../../src/events/stream/reader.ts";
import { RecentEvents } from "../../src/events/stream/recent.ts";
import { RedisEventLog } from "../../src/events/log/redis-log.ts";
import { parseFilter } from "../../src/events/stream/topics.ts";
import { createLogger } from "../../src/platform/logging.ts";
import { RedisLink } from "../../src/platform/redis.ts";
import { eventually, testEnvironment } from "../support/instance.ts";
import { testServers } from "../support/servers.ts";

const logger = createLogger({ level: "silent", replica: "", build: "" });

type Limits = Pick<EventsConfig, "retention" | "logBytes" | "maxPendingAppends" | "appendBytes">;

/** A slow disk may take longer for an append than publishers wait. */
const patient = { appendDeadlineMs: 20_000 };

/** One kind of log: where it is kept outlives the object. */
interface Kind {
  /** Another object over what is kept. */
  open(limits: Limits): Promise<EventLog>;
  /** What is kept is gone. */
  wipe(): Promise<void>;
  close(): void;
}

function fileKind(): Kind {
  const folder = mkdtempSync(join(tmpdir(), "omniai-log-"));
  const path = join(folder, "events.jsonl");
  return {
    open: (limits) => FileEventLog.load(path, { ...patient, ...limits }, logger),
    wipe: () => Promise.resolve(rmSync(path, { force: true })),
    close: () => rmSync(folder, { recursive: true, force: true }),
  };
}

function redisKind(): Kind {
  const links: RedisLink[] = [];
  return {
    open: async (limits) => {
      const { events, redis } = loadConfig(await testEnvironment());
      const link = new RedisLink(redis, "contract", logger, { idleMs: 3000, isPinging: true });
      links.push(link);
      const log = new RedisEventLog({ ...events, ...patient, ...limits }, redis, link, logger);
      link.open();
      log.open();
      await eventually("reached", () =>
        log.append({ topic: "public.up", type: "up", data: "0" }, "up").then(
          () => true,
          () => false,
        ),
      );
      return log;
    },
    wipe: async () => {
      const { admin } = await testServers();
      const names = await admin.keys("omniai:events:*");
      if (names.length > 0) await admin.del(names);
    },
    close: () => links.forEach((link) => link.close()),
  };
}

for (const [name, make] of [
  ["in Redis", redisKind],
  ["in a file, of npm run dev", fileKind],
] as const) {
  describe(`the event log ${name}`, function () {
    this.timeout(120_000);
    let kind: Kind;
    const logs: EventLog[] = [];
    const limits = {
      retention: 100,
      logBytes: 10_000_000,
      maxPendingAppends: 5000,
      appendBytes: 100_000_000,
    };
    const open = async (given = limits): Promise<EventLog> => {
      const log = await kind.open(given);
      logs.push(log);
      return log;
    };
    /** A log that begins, whatever its opening left in it. */
    const openNew = async (): Promise<{ log: EventLog; start: number }> => {
      closeAll();
      await kind.wipe();
      const log = await open();
      return { log, start: (await log.state()).count };
    };
    const closeAll = (): void => logs.splice(0).forEach((log) => log.close());
    const event = (data: unknown) => ({ topic: "public.x", type: "t", data: JSON.stringify(data) });

    before(async function () {
      this.timeout(120_000);
      const { admin } = await testServers();
      // An append at a time would take a second each otherwise.
      await admin.configSet("appendfsync", "always");
      kind = make();
    });
    afterEach(closeAll);
    after(async () => {
      kind.close();
      await (await testServers()).admin.configSet("appendfsync", "everysec");
    });

    it("numbers entries without a hole and with growing ids, and gives a page, the tail and the state", async () => {
      const { log, start } = await openNew();
      const positions = await Promise.all(Array.from({ length: 40 }, (_, n) => log.append(event(n))));
      const { state, entries } = await log.page("0-0", 1000);
      const mine = entries.slice(start);
      assert.deepEqual(
        mine.map(({ number }) => number),
        positions.map((_, index) => start + index + 1),
      );
      assert.deepEqual(new Set(mine.map(formatPosition)), new Set(positions.map(formatPosition)));
      for (const [index, { id }] of mine.entries()) {
        if (index > 0) assert.ok(compareIds(id, mine[index - 1]?.id ?? "") > 0);
      }
      assert.deepEqual(new Set(mine.map(({ data }) => Number(data))), new Set(positions.keys()));
      assert.equal(state.count, start + 40);
      assert.equal(state.length, start + 40);
      assert.equal(state.last, mine.at(-1)?.id);
      assert.equal(state.first, entries[0]?.id);
      const tail = await log.tail(3, 100_000);
      assert.deepEqual(tail.entries, entries.slice(-3));
      const rest = await log.page(String(mine[29]?.id), 4);
      assert.deepEqual(rest.entries, mine.slice(30, 34));
      assert.deepEqual((await log.tail(0, 100_000)).entries, []);
    });

    it("waits for the next entry, and not for ever", async () => {
      const { log } = await openNew();
      const { last } = await log.state();
      const started = performance.now();
      assert.deepEqual(await log.wait(last, 10, 300), []);
      assert.ok(performance.now() - started > 250);
      const waiting = log.wait(last, 10, 30_000);
      const { id } = await log.append(event("x"));
      assert.deepEqual(
        (await waiting).map((entry) => entry.id),
        [id],
      );
      assert.ok(performance.now() - started < 20_000);
    });

    it("goes on in the same epoch for whoever opens it next", async () => {
      const { log } = await openNew();
      const before = await log.append(event(1), "key-of-before");
      const known = await log.page("0-0", 100);
      closeAll();
      const next = await open();
      assert.deepEqual(await next.page("0-0", 100), known);
      assert.deepEqual(await next.append(event(1), "key-of-before"), before);
      const after = await next.append(event(2));
      assert.equal(after.epoch, before.epoch);
      assert.ok(compareIds(after.id, before.id) > 0);
    });

    it("appends once under one key, and refuses another event under it", async () => {
      const { log, start } = await openNew();
      const positions = await Promise.all(Array.from({ length: 10 }, () => log.append(event("once"), "k")));
      assert.equal(new Set(positions.map(formatPosition)).size, 1);
      assert.equal((await log.state()).count, start + 1);
      await assert.rejects(log.append(event("other"), "k"), IdempotencyKeyReusedError);
      await assert.rejects(
        log.append({ ...event("once"), topic: "public.y" }, "k"),
        IdempotencyKeyReusedError,
      );
      assert.equal((await log.state()).count, start + 1);
    });

    it("keeps about as many as it should, and says what is gone", async () => {
      const { log } = await openNew();
      for (let round = 0; round < 8; round++) {
        await Promise.all(Array.from({ length: 50 }, (_, n) => log.append(event(n))));
      }
      const state = await log.state();
      assert.ok(state.count >= 400);
      assert.ok(state.length >= 100 && state.length <= 200, String(state.length));
      closeAll();
      assert.deepEqual(await (await open()).state(), state);
    });

    it("keeps to its budget in bytes, and reads no more than about a page at a time", async () => {
      await openNew();
      closeAll();
      const log = await open({ ...limits, retention: 10_000, logBytes: 3_000_000 });
      const long = "x".repeat(30_000);
      let most = 0;
      for (let round = 0; round < 15; round++) {
        await Promise.all(Array.from({ length: 20 }, () => log.append(event(long))));
        most = Math.max(most, (await log.state()).bytes);
      }
      const state = await log.state();
      // Not a byte more than the budget, and not much less than it: history is worth something.
      assert.ok(most <= 3_000_000, String(most));
      assert.ok(state.bytes > 2_000_000 && state.length > 66, JSON.stringify(state));
      assert.ok(state.length * 30_000 <= 3_000_000, String(state.length));
      const bytesOf = (entries: readonly LogEntry[]): number =>
        entries.reduce((sum, { data }) => sum + data.length, 0);
      const page = await log.page(state.first ?? "", 1000);
      assert.ok(bytesOf(page.entries) <= PAGE_BYTES + 16 * 33_000, String(bytesOf(page.entries)));
      assert.ok(page.entries.length > 10);
      const tail = await log.tail(1000, 1_500_000);
      assert.ok(bytesOf(tail.entries) >= 1_400_000 && bytesOf(tail.entries) <= 1_500_000 + PAGE_BYTES);
      assert.deepEqual(
        tail.entries.map(({ number }) => number),
        tail.entries.map((_, index) => state.count - tail.entries.length + 1 + index),
      );
      let after = String(state.first);
      for (let reads = 0; after !== state.last; reads++) {
        const entries = await log.wait(after, 100, 100);
        // How long they are is not known before the first time.
        if (reads > 0) assert.ok(bytesOf(entries) <= PAGE_BYTES + 33_000, String(bytesOf(entries)));
        assert.ok(entries.length > 0 && reads < 100);
        after = String(entries.at(-1)?.id);
      }
    });

    it("begins a new epoch when the stored log is gone, and knows no key of the earlier one", async () => {
      const { log } = await openNew();
      const before = await log.append(event(1), "key-of-epoch");
      const { log: next } = await openNew();
      const after = await next.append(event(1), "key-of-epoch");
      assert.notEqual(after.epoch, before.epoch);
      assert.equal((await next.state()).epoch, after.epoch);
    });

    for (const [what, bound] of [
      ["so many appends", { maxPendingAppends: 5 }],
      ["so many bytes of appends", { appendBytes: 6000 }],
    ] as const)
      it(`takes only ${what} at once, and promises nothing for the others`, async () => {
        await openNew();
        closeAll();
        const log = await open({ ...limits, ...bound });
        const results = await Promise.allSettled(Array.from({ length: 60 }, (_, n) => log.append(event(n))));
        const refused = results.filter(({ status }) => status === "rejected") as PromiseRejectedResult[];
        assert.ok(refused.length > 0 && refused.length < 60, `${refused.length} refused`);
        for (const { reason } of refused) {
          assert.ok(reason instanceof LogUnavailableError && reason.retryAfterSeconds >= 1);
        }
      });

    it("serves followers: resume, and one reset for a cursor that was trimmed, unknown or of another epoch", async () => {
      const { log } = await openNew();
      const early = await log.append(event("early"));
      const hub = new Hub(new RecentEvents(10, 100_000), new Backlog(1e6, []));
      const options = { blockMs: 200, coalesceMs: 0, preload: 10, preloadBytes: 100_000 };
      const reader = new LogReader(log, hub, options, logger);
      reader.start();
      const ask = async (after: string): Promise<PollPage | undefined> => {
        const filter = parseFilter([]);
        assert.ok(filter);
        return poll({ after, filter, limit: 500 }, hub, log, AbortSignal.abort());
      };
      try {
        const ids: string[] = [];
        for (let n = 0; n < 30; n++) ids.push(formatPosition(await log.append(event(n))));
        await eventually(
          "followed",
          () => hub.position !== undefined && formatPosition(hub.position) === ids[29],
        );
        const resumed = await ask(formatPosition(early));
        assert.deepEqual(
          resumed?.deliveries.map(({ id }) => formatPosition({ epoch: early.epoch, id })),
          ids,
        );
        for (let round = 0; round < 8; round++) {
          await Promise.all(Array.from({ length: 50 }, (_, n) => log.append(event(n))));
        }
        const { last, epoch } = await log.state();
        await eventually("followed", () => hub.position?.id === last);
        assert.equal((await ask(formatPosition(early)))?.reset?.reason, "trimmed");
        assert.equal((await ask(`${epoch}-999999999999999-0`))?.reset?.reason, "unknown");
        assert.equal((await ask(`0000000000-${last}`))?.reset?.reason, "epoch");
        assert.equal((await ask("nonsense"))?.reset?.reason, "malformed");
        assert.equal((await ask(`${epoch}-${last}`))?.reset, undefined);
      } finally {
        const stopped = reader.stop();
        closeAll();
        await stopped;
      }
    });
  });
}
