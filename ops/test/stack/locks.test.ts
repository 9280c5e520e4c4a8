/** Who works on a stack: Pulumi's locks and ours. */
import { strict as assert } from "node:assert";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { hostname, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Holder } from "../../../tools/host/lock-file.mjs";
import { planBackend, type Backend } from "../../stack/backend.ts";
import { clearPulumiLocks, holderOf, lockFolder, ownLock, takeOwnLock } from "../../stack/locks.ts";
import { OpsError } from "../../terminal/errors.ts";

const since = new Date("2026-11-23T10:00:00Z");
const lock: Holder = { file: "f", pid: 17, hostname: "here", username: "root", since };
const machine = { hostname: "here", isAlive: () => true, startedAt: () => undefined };

/** Above the kernel's limit, so that no process has this id. */
const DEAD = 2 ** 22 + 1;

describe("locks", () => {
  let folder = "";
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "ops-locks-"));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const pulumiLock = (content: object): string => {
    const file = join(folder, ".pulumi", "locks", "organization", "omniai", "dev", "a.json");
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, JSON.stringify(content));
    writeFileSync(`${file}.attrs`, "{}");
    return file;
  };

  it("names the holder", () => {
    assert.match(
      holderOf({ ...lock, command: "up" }, machine),
      /^pid 17 \(up\) of root on here, since 2026-11-23 10:00:00 UTC \(.* ago\)$/,
    );
  });

  it("removes Pulumi's lock of a dead process, with a line that says so", async () => {
    const file = pulumiLock({ pid: DEAD, username: "root", hostname: hostname(), timestamp: since });
    const said: string[] = [];
    const removed = await clearPulumiLocks(folder, "omniai", "dev", {
      seconds: 0,
      say: (line) => void said.push(line),
    });
    assert.equal(removed.length, 1);
    assert.equal(existsSync(file) || existsSync(`${file}.attrs`), false);
    assert.match(said[0] ?? "", /ended without removing its lock/);
  });

  it("keeps a live lock, waits, and gives up with the holder's name", async () => {
    const file = pulumiLock({
      pid: process.pid,
      username: "me",
      hostname: hostname(),
      timestamp: new Date(),
    });
    await assert.rejects(
      clearPulumiLocks(folder, "omniai", "dev", { seconds: 0.01, say: () => undefined }),
      (error: unknown) =>
        error instanceof OpsError && error.exitCode === 3 && error.message.includes(`pid ${process.pid}`),
    );
    assert.equal(existsSync(file), true);
  });

  it("keeps a lock of another machine and says how to remove it", async () => {
    const file = pulumiLock({ pid: 1, username: "me", hostname: "elsewhere", timestamp: since });
    await assert.rejects(
      clearPulumiLocks(folder, "omniai", "dev", { seconds: 0, say: () => undefined }),
      (error: unknown) => error instanceof OpsError && error.remedy.includes(`rm ${file}`),
    );
  });

  it("gives our lock to one run at a time, in turn", async () => {
    const waiting = { seconds: 10, say: () => undefined };
    const release = await takeOwnLock(
      planBackend(folder, { PULUMI_BACKEND_URL: `file://${folder}` }),
      "dev",
      "up",
      waiting,
    );
    assert.equal(ownLock(folder, "dev")?.command, "up");
    let second = false;
    const next = takeOwnLock(
      planBackend(folder, { PULUMI_BACKEND_URL: `file://${folder}` }),
      "dev",
      "down",
      waiting,
    ).then((give) => {
      second = true;
      return give;
    });
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(second, false);
    release();
    (await next)();
    assert.equal(ownLock(folder, "dev"), undefined);
    assert.deepEqual(readdirSync(join(folder, "locks")), []);
  });

  it("lets everybody who may write into a shared state take its locks, and nobody else into our own", async () => {
    const modeOf = (path: string): number => statSync(path).mode & 0o7777;
    const take = async (backend: Backend): Promise<number> => {
      (await takeOwnLock(backend, "dev", "up", { seconds: 0, say: () => undefined }))();
      return modeOf(join(lockFolder(backend), "locks"));
    };
    const shared = join(folder, "shared");
    mkdirSync(shared);
    chmodSync(shared, 0o2770);
    const backend = planBackend(folder, { PULUMI_BACKEND_URL: `file://${shared}?no_tmp_dir=true` });
    // The usual umask would take the group's right to write away.
    const before = process.umask(0o022);
    try {
      assert.equal(await take(backend), 0o2770);
      chmodSync(join(shared, "locks"), 0o2775);
      assert.equal(await take(backend), 0o2775, "one that is there stays as somebody made it");
      assert.equal(await take(planBackend(folder, {})), 0o700);
      rmSync(join(folder, ".state"), { recursive: true });
      assert.equal(await take(planBackend(folder, { PULUMI_BACKEND_URL: "s3://bucket" })), 0o700);
    } finally {
      process.umask(before);
    }
  });

  it("takes over the lock of an interrupted run", async () => {
    mkdirSync(join(folder, "locks"));
    writeFileSync(
      join(folder, "locks", "dev.json"),
      JSON.stringify({ pid: DEAD, hostname: hostname(), timestamp: since, command: "up" }),
    );
    const said: string[] = [];
    const release = await takeOwnLock(
      planBackend(folder, { PULUMI_BACKEND_URL: `file://${folder}` }),
      "dev",
      "up",
      {
        seconds: 0,
        say: (line) => void said.push(line),
      },
    );
    assert.match(said[0] ?? "", /was interrupted; going on from there/);
    assert.equal(ownLock(folder, "dev")?.pid, process.pid);
    release();
  });
});
