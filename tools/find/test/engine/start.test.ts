/** A second engine with its own folders, started and stopped for real. */
import { strict as assert } from "node:assert";
import { spawn } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findProgram } from "../../../host/path.mjs";
import { nameOf, readPidFile } from "../../../host/process.mjs";
import { run } from "../../../host/run.ts";
import { docker, leaveSocket, testContext, until } from "../../../host/test/support/engine.ts";
import { withFolder } from "../../../host/test/support/folder.ts";
import { askEngine } from "../../engine/api.ts";
import { stopEngine } from "../../engine/index.ts";
import type { EnginePlace } from "../../engine/place.ts";
import { readRecord } from "../../engine/record.ts";
import { startDirect } from "../../engine/start.ts";

function placeIn(folder: string): EnginePlace {
  const socket = join(folder, "docker.sock");
  const pidFile = join(folder, "docker.pid");
  const exec = join(folder, "exec");
  return {
    host: `unix://${socket}`,
    socket,
    pidFile,
    containerdPidFile: join(exec, "containerd", "containerd.pid"),
    containerdSocket: join(folder, "system-containerd.sock"),
    recordFile: join(folder, "engine.json"),
    logFile: join(folder, "dockerd.log"),
    // It gets its own network, because an engine without a bridge would remove docker0 from the machine's own engine.
    within: ["unshare", "--net"],
    flags: [
      ...["--host", `unix://${socket}`, "--pidfile", pidFile, "--exec-root", exec],
      ...["--data-root", join(folder, "data"), "--config-file", join(folder, "daemon.json")],
      ...["--bridge", "none", "--iptables=false", "--ip-forward=false"],
    ],
  };
}

describe("engine: a real one is started and stopped", function () {
  this.timeout(120_000);
  let folder: string;
  let place: EnginePlace;

  before(function () {
    if (process.platform === "linux" && process.getuid?.() === 0 && findProgram("dockerd", process.env))
      return;
    // CI is a Linux machine with an engine and runs as root, so there this test is never skipped.
    if (process.env["CI"] === "true") throw new Error("CI must run this test: root, Linux, dockerd on PATH");
    this.skip();
  });

  beforeEach(() => {
    // The name is short, because a unix socket's path has at most 107 characters, and containerd's is deep in here.
    folder = mkdtempSync(join(tmpdir(), "oe-"));
    place = placeIn(folder);
    writeFileSync(join(folder, "daemon.json"), "{}\n");
  });

  afterEach(async () => {
    await stopEngine(testContext(folder), place.recordFile);
    const left = readPidFile(place.pidFile);
    if (left !== undefined && nameOf(left) === "dockerd") process.kill(left, "SIGKILL");
    const containerd = readPidFile(place.containerdPidFile);
    if (containerd !== undefined && nameOf(containerd) === "containerd") {
      process.kill(containerd, "SIGTERM");
      await until("containerd ends", () => Promise.resolve(nameOf(containerd) !== "containerd"));
    }
    const mounts = readFileSync("/proc/self/mounts", "utf8");
    for (const line of mounts.split("\n").reverse()) {
      const path = line.split(" ")[1] ?? "";
      if (path.startsWith(`${folder}/`)) await run("umount", ["-l", path]);
    }
    rmSync(folder, { recursive: true, force: true });
  });

  it("starts detached, is recorded, is not started twice, and stops", async () => {
    const context = testContext(folder);
    await Promise.all([startDirect(context, place), startDirect(context, place)]);
    assert.equal(context.said.filter((line) => line.startsWith("Starting the Docker engine")).length, 1);
    assert.equal((await askEngine(place.host, process.env)).reached, true);

    const record = readRecord(place.recordFile);
    assert.ok(record);
    assert.equal(record.pid, readPidFile(place.pidFile));
    const stat = readFileSync(`/proc/${record.pid}/stat`, "utf8");
    const [, , group, session] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    assert.deepEqual(
      [group, session],
      [String(record.pid), String(record.pid)],
      "a group and a session of its own",
    );
    assert.doesNotMatch(readFileSync(`/proc/${record.pid}/environ`, "utf8"), /npm_|PULUMI_/);
    const info = await docker(["info", "--format", "{{.LiveRestoreEnabled}}"], place.host);
    assert.equal(info.stdout.trim(), "false");

    const result = await stopEngine(context, place.recordFile);
    assert.equal(result.stopped, true);
    assert.equal(nameOf(record.pid), undefined);
    assert.equal(existsSync(place.recordFile), false);
    assert.equal((await stopEngine(context, place.recordFile)).stopped, false);
  });

  it("starts in spite of what a crashed machine left: pid files with pids of others, and sockets where nobody listens", async () => {
    mkdirSync(join(folder, "exec", "containerd"), { recursive: true });
    writeFileSync(place.pidFile, String(process.pid));
    writeFileSync(place.containerdPidFile, String(process.pid));
    await leaveSocket(place.socket);
    await leaveSocket(place.containerdSocket);
    assert.equal(existsSync(place.socket), true);
    const context = testContext(folder);
    await startDirect(context, place);
    assert.equal((await askEngine(place.host, process.env)).reached, true);
    assert.match(
      context.said.join("\n"),
      /stale pid file .*docker\.pid[\s\S]*stale pid file .*containerd\.pid[\s\S]*stale socket/,
    );
  });

  it("starts again after a kill", async () => {
    await startDirect(testContext(folder), place);
    const first = readPidFile(place.pidFile);
    assert.ok(first !== undefined);
    process.kill(first, "SIGKILL");
    await until("the engine is gone", () => Promise.resolve(nameOf(first) === undefined));
    await startDirect(testContext(folder), place);
    assert.notEqual(readPidFile(place.pidFile), first);
  });

  it("shows the last lines of the log when it does not start, and leaves no record", async () => {
    writeFileSync(join(folder, "daemon.json"), '{"no-such-option": true}\n');
    await assert.rejects(startDirect(testContext(folder), place), (error: Error) => {
      assert.match(error.message, /does not start: it ended with exit code 1/);
      assert.match(error.message, /no-such-option/);
      assert.match(error.message, /run this again/);
      return true;
    });
    assert.equal(existsSync(place.recordFile), false);
    assert.equal(existsSync(`${place.recordFile}.starting`), false);
  });

  it("names an engine that runs and does not answer, and does not end it", async () => {
    symlinkSync(findProgram("sleep", process.env) ?? "", join(folder, "dockerd"));
    const other = spawn(join(folder, "dockerd"), ["60"], { stdio: "ignore" });
    try {
      await until("the process has its name", () => Promise.resolve(nameOf(other.pid ?? 0) === "dockerd"));
      writeFileSync(place.pidFile, String(other.pid));
      await assert.rejects(
        startDirect(testContext(folder), place, 600),
        new RegExp(`engine with pid ${other.pid} .*does not answer at unix://[\\s\\S]*kill ${other.pid}`),
      );
      assert.equal(nameOf(other.pid ?? 0), "dockerd");
    } finally {
      rmSync(place.pidFile);
      other.kill();
    }
  });

  it("takes over from a run that died while it started the engine", async () => {
    writeFileSync(`${place.recordFile}.starting`, JSON.stringify({ pid: 999999999 }));
    await startDirect(testContext(folder), place);
    assert.equal((await askEngine(place.host, process.env)).reached, true);
  });
});

describe("engine: one start at a time", () => {
  it("leaves the lock of a run that is still starting the engine, and names that run", () =>
    withFolder(async (folder) => {
      const place = placeIn(folder);
      const other = spawn("sleep", ["60"]);
      const lock = `${place.recordFile}.starting`;
      const text = JSON.stringify({ pid: other.pid });
      writeFileSync(lock, text);
      try {
        const context = testContext(folder);
        await assert.rejects(
          startDirect(context, place, 200),
          new RegExp(`run \\(pid ${other.pid} on .*still holds ${lock} after 0.3 s[\\s\\S]*rm ${lock}`),
        );
        assert.equal(readFileSync(lock, "utf8"), text);
        assert.deepEqual(context.said, [
          `Another run (pid ${other.pid}) is starting the Docker engine: waiting for it.`,
        ]);
      } finally {
        other.kill();
      }
    }));
});
