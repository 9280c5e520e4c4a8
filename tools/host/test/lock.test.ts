/** One process at a time: who gets a lock, whose lock is taken over, and whose never is. */
import { strict as assert } from "node:assert";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { utimes, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { judge, parseLock, readLock, type Holder } from "../lock-file.mjs";
import { LockHeldError, takeLock, withLock } from "../lock.mjs";
import { thisProcess } from "../process.mjs";
import { withFolder } from "./support/folder.ts";

const quick = { pollMs: 10 };
const longAgo = new Date(Date.now() - 60_000);

/** The pid of a process that has just died. */
async function deadPid(): Promise<number> {
  const child = spawn("true");
  await once(child, "exit");
  return child.pid ?? 0;
}

/** Counts how many run at once. */
function counter(): { readonly most: () => number; readonly run: (ms: number) => Promise<void> } {
  let inside = 0;
  let most = 0;
  return {
    most: () => most,
    run: async (ms) => {
      most = Math.max(most, ++inside);
      await sleep(ms);
      inside--;
    },
  };
}

describe("withLock", () => {
  it("lets one run at a time, tells the second who holds it, and leaves no file", () =>
    withFolder(async (folder) => {
      const path = join(folder, "a.lock");
      const { most, run } = counter();
      const holders: number[] = [];
      const work = (): Promise<void> =>
        withLock(path, () => run(30), { ...quick, onWait: ({ pid }) => holders.push(pid) });
      await Promise.all([work(), work(), work()]);
      assert.equal(most(), 1);
      assert.deepEqual(holders, [process.pid, process.pid]);
      assert.deepEqual(readdirSync(folder), []);
    }));

  it("takes over the lock of a dead process, and says so", () =>
    withFolder(async (folder) => {
      const path = join(folder, "a.lock");
      const pid = await deadPid();
      await writeFile(path, JSON.stringify({ pid }));
      const former: unknown[] = [];
      const options = { ...quick, onTakeOver: (holder?: Holder) => former.push(holder?.pid) };
      assert.equal(await withLock(path, () => Promise.resolve("mine"), options), "mine");
      assert.deepEqual(former, [pid]);
    }));

  it("takes over the lock of a pid that the system has used again", async function () {
    if (thisProcess().start === undefined) this.skip(); // the system does not say when a process started
    await withFolder(async (folder) => {
      const path = join(folder, "a.lock");
      await writeFile(path, JSON.stringify({ pid: process.pid, start: "1" }));
      assert.equal(await withLock(path, () => Promise.resolve("mine"), quick), "mine");
    });
  });

  for (const [what, text, time] of [
    ["empty", "", longAgo],
    ["half written", '{"pid":1', longAgo],
    ["empty, with a time far in the future,", "", new Date(Date.now() + 3_600_000)],
  ] as const) {
    it(`takes over a lock that was left ${what}`, () =>
      withFolder(async (folder) => {
        const path = join(folder, "a.lock");
        await writeFile(path, text);
        await utimes(path, time, time);
        assert.equal(await withLock(path, () => Promise.resolve("mine"), quick), "mine");
      }));
  }

  it("leaves a lock alone that is just being written", () =>
    withFolder(async (folder) => {
      const path = join(folder, "a.lock");
      await writeFile(path, "");
      await assert.rejects(takeLock(path, { ...quick, waitMs: 100 }), LockHeldError);
      assert.equal(existsSync(path), true);
    }));

  it("lets many take over the lock of a dead process, one at a time", () =>
    withFolder(async (folder) => {
      const path = join(folder, "a.lock");
      await writeFile(path, JSON.stringify({ pid: await deadPid() }));
      const { most, run } = counter();
      await Promise.all(Array.from({ length: 8 }, () => withLock(path, () => run(5), quick)));
      assert.equal(most(), 1);
    }));

  it("releases the lock when the work fails", () =>
    withFolder(async (folder) => {
      const path = join(folder, "a.lock");
      await assert.rejects(
        withLock(path, () => Promise.reject(new Error("no")), quick),
        /no/,
      );
      assert.equal(existsSync(path), false);
    }));
});

describe("takeLock", () => {
  it("gives up when the time is over, names the holder and leaves its lock", () =>
    withFolder(async (folder) => {
      const path = join(folder, "a.lock");
      const lock = await takeLock(path, { about: { command: "up" } });
      const before = readFileSync(path, "utf8");
      await assert.rejects(takeLock(path, { ...quick, waitMs: 60 }), (error: unknown) => {
        assert.ok(error instanceof LockHeldError);
        assert.deepEqual([error.holder.pid, error.holder.command], [process.pid, "up"]);
        return true;
      });
      assert.equal(readFileSync(path, "utf8"), before);
      lock.release();
      assert.equal(existsSync(path), false);
    }));

  it("releases its own lock only", () =>
    withFolder(async (folder) => {
      const path = join(folder, "a.lock");
      const lock = await takeLock(path);
      await writeFile(path, JSON.stringify({ pid: 1, hostname: "elsewhere" }));
      lock.release();
      assert.equal(readLock(path)?.hostname, "elsewhere");
    }));

  it("keeps the lock held while another process lives that holds it too", () =>
    withFolder(async (folder) => {
      const path = join(folder, "a.lock");
      const lock = await takeLock(path);
      const helper = spawn("sleep", ["60"]);
      lock.alsoHeldBy(helper.pid ?? 0);
      const holder = readLock(path);
      assert.ok(holder);
      // The holder itself was killed.
      const pid = await deadPid();
      await writeFile(path, JSON.stringify({ ...holder, timestamp: holder.since, pid, start: undefined }));
      await assert.rejects(takeLock(path, { ...quick, waitMs: 60 }), LockHeldError);
      helper.kill("SIGKILL");
      await once(helper, "exit");
      (await takeLock(path, quick)).release();
    }));
});

describe("a lock's file", () => {
  const since = new Date("2026-11-23T10:00:00Z");
  const lock: Holder = { file: "f", pid: 17, hostname: "here", username: "root", since };
  const machine = (alive: boolean, started?: Date) => ({
    hostname: "here",
    isAlive: () => alive,
    startedAt: () => started,
  });

  it("tells a dead holder, a reused process id and another machine from a live one", () => {
    assert.equal(judge(lock, machine(true)), "live");
    assert.equal(judge(lock, machine(true, new Date(since.getTime() - 5000))), "live");
    assert.equal(judge(lock, machine(false)), "stale");
    assert.equal(judge(lock, machine(true, new Date(since.getTime() + 60_000))), "stale");
    assert.equal(judge({ ...lock, hostname: "elsewhere" }, machine(false)), "foreign");
  });

  it("is read as Pulumi writes it, and not when it is half-written", () => {
    const text =
      '{"pid":17,"username":"root","hostname":"here","timestamp":"2026-11-23T10:00:00.123456789Z"}';
    assert.equal(parseLock("f", text)?.pid, 17);
    assert.equal(parseLock("f", text.slice(0, 30)), undefined);
    assert.equal(parseLock("f", "{}"), undefined);
    assert.equal(parseLock("f", "17", since), undefined);
    assert.deepEqual(parseLock("f", '{"pid":17}', since)?.hostname, hostname());
  });
});
