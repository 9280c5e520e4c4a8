import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { withLock } from "../lock.ts";
import { thisProcess } from "../process.ts";
import { withFolder } from "./support/folder.ts";

const quick = { poll: 10 };

/** The pid of a process that has just died. */
async function deadPid(): Promise<number> {
  const child = spawn("true");
  await once(child, "exit");
  return child.pid ?? 0;
}

describe("withLock", () => {
  it("lets one run at a time, tells the second who holds it, and leaves no file", () =>
    withFolder(async (folder) => {
      const path = join(folder, "a.lock");
      let inside = 0;
      let most = 0;
      const holders: number[] = [];
      const work = (): Promise<void> =>
        withLock(
          path,
          async () => {
            most = Math.max(most, ++inside);
            await sleep(30);
            inside--;
          },
          { ...quick, onWait: ({ pid }) => holders.push(pid) },
        );
      await Promise.all([work(), work(), work()]);
      assert.equal(most, 1);
      assert.deepEqual(holders, [process.pid, process.pid]);
      assert.equal(existsSync(path), false);
    }));

  it("takes over the lock of a dead process", () =>
    withFolder(async (folder) => {
      const path = join(folder, "a.lock");
      await writeFile(path, JSON.stringify({ pid: await deadPid() }));
      assert.equal(await withLock(path, () => Promise.resolve("mine"), quick), "mine");
    }));

  it("knows a pid that was given out again", async function () {
    if (thisProcess().start === undefined) this.skip(); // the system does not say when a process started
    await withFolder(async (folder) => {
      const path = join(folder, "a.lock");
      await writeFile(path, JSON.stringify({ pid: process.pid, start: "1" }));
      assert.equal(await withLock(path, () => Promise.resolve("mine"), quick), "mine");
    });
  });

  it("takes over a lock that was left half written", () =>
    withFolder(async (folder) => {
      const path = join(folder, "a.lock");
      await writeFile(path, "");
      const longAgo = new Date(Date.now() - 60_000);
      await utimes(path, longAgo, longAgo);
      assert.equal(await withLock(path, () => Promise.resolve("mine"), quick), "mine");
    }));

  it("lets many take over a dead one's lock, one at a time", () =>
    withFolder(async (folder) => {
      const path = join(folder, "a.lock");
      await writeFile(path, JSON.stringify({ pid: await deadPid() }));
      let inside = 0;
      let most = 0;
      const work = (): Promise<void> =>
        withLock(
          path,
          async () => {
            most = Math.max(most, ++inside);
            await sleep(5);
            inside--;
          },
          quick,
        );
      await Promise.all(Array.from({ length: 8 }, work));
      assert.equal(most, 1);
    }));

  it("gives the lock back when the work fails", () =>
    withFolder(async (folder) => {
      const path = join(folder, "a.lock");
      await assert.rejects(
        withLock(path, () => Promise.reject(new Error("no")), quick),
        /no/,
      );
      assert.equal(existsSync(path), false);
    }));
});
