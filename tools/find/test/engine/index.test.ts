import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { Server } from "node:http";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { plan, type Situation } from "../../engine/bring-up.ts";
import { judgeDiskSpace } from "../../engine/disk.ts";
import { chosenContext, resolveDockerHost } from "../../../host/docker-host.ts";
import { diskSpace, enginePart, stopEngine } from "../../engine/index.ts";
import { chooseStarter, type InitFacts } from "../../engine/init-system.ts";
import { isDebianLike } from "../../../host/apt.ts";
import { machinePlace } from "../../engine/place.ts";
import { isSameProcess, parseRecord, writeRecord, type EngineRecord } from "../../engine/record.ts";
import { close, fakeEngine, testContext } from "../../../host/test/support/engine.ts";
import { compareVersions, isNewEnough } from "../../engine/version.ts";
import { bootId, startTimeOf } from "../../../host/process.mjs";

describe("engine: which one is asked", () => {
  let home: string;
  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), "omniai-host-"));
    mkdirSync(join(home, ".docker"));
  });
  afterEach(() => rmSync(home, { recursive: true }));
  const use = (context: string): void =>
    writeFileSync(join(home, ".docker", "config.json"), JSON.stringify({ currentContext: context }));

  /** A docker CLI that knows one context. */
  function cli(script: string): string {
    const folder = join(home, "bin");
    mkdirSync(folder);
    writeFileSync(join(folder, "docker"), `#!/bin/sh\n${script}\n`);
    chmodSync(join(folder, "docker"), 0o755);
    return folder + delimiter + (process.env["PATH"] ?? "");
  }

  it("takes DOCKER_HOST before everything", async () => {
    use("other");
    assert.equal(
      await resolveDockerHost({ HOME: home, DOCKER_HOST: "tcp://10.0.0.1:2375" }),
      "tcp://10.0.0.1:2375",
    );
  });

  it("asks the CLI for the current context's address", async () => {
    use("other");
    const PATH = cli('[ "$1 $2" = "context inspect" ] && echo unix:///home/me/.docker/docker.sock');
    assert.equal(await resolveDockerHost({ HOME: home, PATH }), "unix:///home/me/.docker/docker.sock");
  });

  it("falls back to the local socket without a context, and with one that does not exist", async () => {
    assert.equal(await resolveDockerHost({ HOME: home, DOCKER_HOST: "" }), "unix:///var/run/docker.sock");
    use("gone");
    assert.equal(await resolveDockerHost({ HOME: home, PATH: cli("exit 1") }), "unix:///var/run/docker.sock");
  });

  it("knows which context was chosen", () => {
    assert.equal(chosenContext({ HOME: home }), undefined);
    use("default");
    assert.equal(chosenContext({ HOME: home }), undefined);
    use("other");
    assert.equal(chosenContext({ HOME: home }), "other");
    assert.equal(chosenContext({ HOME: home, DOCKER_CONTEXT: "third" }), "third");
    assert.equal(chosenContext({ HOME: home, DOCKER_CONTEXT: "default" }), undefined);
    writeFileSync(join(home, ".docker", "config.json"), "{broken");
    assert.equal(chosenContext({ HOME: home }), undefined);
  });
});

describe("engine: new enough", () => {
  it("compares versions by number", () => {
    assert.equal(compareVersions("20.10.24+dfsg1", "20.10"), 1);
    assert.equal(compareVersions("20.10", "20.10.0"), 0);
    assert.equal(compareVersions("19.03.15", "20.10"), -1);
    assert.equal(compareVersions("1.9", "1.41"), -1);
    assert.equal(compareVersions("v28.0.0-rc.1", "27.5.1"), 1);
  });

  it("takes engine 20.10 or API 1.41, and nothing older", () => {
    assert.equal(isNewEnough({ version: "20.10.24+dfsg1", api: "1.41" }), true);
    assert.equal(isNewEnough({ version: "29.0.0", api: "1.52" }), true);
    assert.equal(isNewEnough({ version: "5.4.2", api: "1.41" }), true);
    assert.equal(isNewEnough({ version: "19.03.15", api: "1.40" }), false);
    assert.equal(isNewEnough({ version: "19.03.15", api: "" }), false);
  });
});

describe("engine: what it says to a person", () => {
  let folder: string;
  let server: Server | undefined;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "omniai-engine-"));
  });
  afterEach(async () => {
    if (server) await close(server);
    server = undefined;
    rmSync(folder, { recursive: true, force: true });
  });

  async function serve(version: string, api: string, os = "linux"): Promise<NodeJS.ProcessEnv> {
    const socket = join(folder, "docker.sock");
    server = await fakeEngine(socket, (path) =>
      path === "/version"
        ? { status: 200, body: { Version: version, ApiVersion: api, Os: os } }
        : { status: 404, body: { message: "no" } },
    );
    return { ...process.env, DOCKER_HOST: `unix://${socket}` };
  }

  it("takes an engine that answers, as it is", async () => {
    const env = await serve("27.5.1", "1.47");
    const status = await enginePart.ensure(testContext(folder, env));
    assert.deepEqual(status, {
      name: "docker",
      version: "27.5.1",
      way: "path",
      location: env["DOCKER_HOST"],
    });
  });

  it("names both versions of one that is too old", async () => {
    const context = testContext(folder, await serve("19.03.15", "1.40"));
    await assert.rejects(
      enginePart.ensure(context),
      /19\.03\.15 \(API 1\.40\).*20\.10 \(API 1\.41\)[\s\S]*Update the engine/,
    );
    const status = await enginePart.inspect(context);
    assert.equal(status.version, "19.03.15");
    assert.match(status.remedy ?? "", /Update the engine/);
  });

  it("refuses Windows containers", async () => {
    const context = testContext(folder, await serve("27.5.1", "1.47", "windows"));
    await assert.rejects(enginePart.ensure(context), /windows containers[\s\S]*Linux containers/);
  });

  it("says that a set address does not answer, and starts nothing for it", async () => {
    const context = testContext(folder, { ...process.env, DOCKER_HOST: `unix://${folder}/none.sock` });
    await assert.rejects(
      enginePart.ensure(context),
      /none\.sock does not answer[\s\S]*DOCKER_HOST or the current docker context/,
    );
    assert.equal((await enginePart.inspect(context)).way, "missing");
    assert.deepEqual(context.said, []);
  });

  it("says that a silent engine is silent", async function () {
    this.timeout(10_000);
    const socket = join(folder, "docker.sock");
    server = await fakeEngine(socket, () => undefined);
    const context = testContext(folder, { ...process.env, DOCKER_HOST: `unix://${socket}` });
    await assert.rejects(enginePart.ensure(context), /no answer within 5 s/);
  });
});

describe("engine: what is done when none answers", () => {
  const bare: Situation = {
    platform: "linux",
    root: true,
    mayInstall: true,
    local: true,
    socket: true,
    why: "absent",
    installed: false,
    apt: true,
  };
  const remedyOf = (facts: Partial<Situation>): string => {
    const decided = plan({ ...bare, ...facts });
    assert.equal(decided.do, "say", `nothing may be done with ${JSON.stringify(facts)}`);
    return decided.do === "say" ? `${decided.what}: ${decided.remedy}` : "";
  };

  it("installs and starts, or starts, as root on Debian", () => {
    assert.deepEqual(plan(bare), { do: "install and start" });
    assert.deepEqual(plan({ ...bare, installed: true }), { do: "start" });
    assert.deepEqual(plan({ ...bare, installed: true, apt: false }), { do: "start" });
  });

  it("says what to do everywhere else", () => {
    assert.match(remedyOf({ mayInstall: false }), /is missing: Install it \(apt-get install .*docker\.io/);
    assert.match(remedyOf({ mayInstall: false, installed: true }), /not running: Start it/);
    assert.match(remedyOf({ root: false }), /only root may install it: Install it \(sudo apt-get/);
    assert.match(remedyOf({ root: false, installed: true }), /only root may start it/);
    assert.match(remedyOf({ apt: false }), /Install Docker Engine for this distribution/);
    assert.match(remedyOf({ platform: "darwin", local: false, root: false }), /Start Docker Desktop/);
    assert.match(remedyOf({ platform: "win32", root: false }), /Start Docker Desktop/);
    assert.match(remedyOf({ platform: "darwin", local: false, socket: false }), /DOCKER_HOST/);
    assert.match(remedyOf({ why: "denied", root: false, local: false }), /group docker/);
    assert.match(remedyOf({ local: false, installed: true }), /unset DOCKER_HOST/);
    assert.match(remedyOf({ why: "silent", installed: true }), /restart it/);
  });

  it("knows Debian and its family", () => {
    assert.equal(isDebianLike('NAME="Debian"\nID=debian\n'), true);
    assert.equal(isDebianLike('ID=linuxmint\nID_LIKE="ubuntu debian"\n'), true);
    assert.equal(isDebianLike("ID=fedora\nVARIANT_ID=debian\n"), false);
  });

  it("leaves out the flags that the owner's daemon.json sets", () => {
    const folder = mkdtempSync(join(tmpdir(), "omniai-place-"));
    try {
      const file = join(folder, "daemon.json");
      assert.deepEqual(machinePlace(folder, file).flags, [
        "--host",
        "unix:///var/run/docker.sock",
        "--pidfile",
        "/var/run/docker.pid",
      ]);
      writeFileSync(file, JSON.stringify({ hosts: ["unix:///var/run/docker.sock"], pidfile: "/x" }));
      assert.deepEqual(machinePlace(folder, file).flags, []);
      assert.equal(machinePlace(folder, file).flags.includes("--live-restore"), false);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe("engine: who starts it", () => {
  const nothing: InitFacts = {
    pid1: "sh",
    systemdBooted: false,
    unit: false,
    openrcRuns: false,
    initctl: false,
    initScript: false,
  };
  it("is the init system that really runs, else we", () => {
    assert.equal(chooseStarter({ ...nothing, pid1: "systemd", systemdBooted: true, unit: true }), "systemd");
    assert.equal(chooseStarter({ ...nothing, pid1: "systemd", systemdBooted: true }), "direct");
    assert.equal(chooseStarter({ ...nothing, pid1: "init", openrcRuns: true, initScript: true }), "openrc");
    assert.equal(chooseStarter({ ...nothing, pid1: "init", initctl: true, initScript: true }), "sysv");
    // Installed but not booted: a container, a small virtual machine, WSL.
    assert.equal(chooseStarter({ ...nothing, unit: true, initScript: true }), "direct");
    assert.equal(chooseStarter({ ...nothing, pid1: "init", initScript: true }), "direct");
    assert.equal(chooseStarter(nothing), "direct");
  });
});

describe("engine: the record of one started here", () => {
  const record: EngineRecord = {
    pid: 4711,
    startTime: "100",
    boot: "b",
    host: "unix:///var/run/docker.sock",
    starter: "direct",
  };

  it("fits only the same process of the same boot", () => {
    assert.equal(isSameProcess(record, { boot: "b", startTime: "100", name: "dockerd" }), true);
    assert.equal(
      isSameProcess(record, { boot: "b", startTime: "101", name: "dockerd" }),
      false,
      "pid used again",
    );
    assert.equal(
      isSameProcess(record, { boot: "c", startTime: "100", name: "dockerd" }),
      false,
      "another boot",
    );
    assert.equal(
      isSameProcess(record, { boot: "b", startTime: "100", name: "postgres" }),
      false,
      "another program",
    );
    assert.equal(isSameProcess(record, { boot: "b", startTime: undefined, name: undefined }), false, "gone");
  });

  it("is whole or it is none", () => {
    assert.equal(parseRecord(JSON.stringify(record))?.pid, 4711);
    for (const text of [
      "",
      "{",
      "[]",
      "null",
      JSON.stringify({ ...record, pid: 1 }),
      JSON.stringify({ ...record, boot: 3 }),
    ]) {
      assert.equal(parseRecord(text), undefined, text);
    }
  });

  it("lets no process be stopped whose pid was used again", async function () {
    if (process.platform !== "linux") return this.skip();
    const folder = mkdtempSync(join(tmpdir(), "omniai-record-"));
    try {
      // The pid of these tests, as a later process with the recorded pid: it must live on.
      const file = join(folder, "engine.json");
      writeRecord(file, {
        ...record,
        pid: process.pid,
        boot: bootId(),
        startTime: startTimeOf(process.pid) ?? "",
      });
      const result = await stopEngine(testContext(folder), file);
      assert.equal(result.stopped, false);
      assert.match(result.message, /runs no more/);
      assert.match((await stopEngine(testContext(folder), file)).message, /was not started here/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe("engine: room on the disk", () => {
  it("is judged in three steps", () => {
    assert.equal(judgeDiskSpace(50e9), "enough");
    assert.equal(judgeDiskSpace(9.9e9), "low");
    assert.equal(judgeDiskSpace(2.9e9), "too little");
  });

  it("is not guessed for an engine elsewhere", async () => {
    assert.equal(await diskSpace(testContext("/nowhere"), "tcp://127.0.0.1:1"), undefined);
  });

  it("is refused with its path, the numbers and a remedy", async function () {
    if (process.platform !== "linux") return this.skip();
    const folder = mkdtempSync(join(tmpdir(), "omniai-disk-"));
    const socket = join(folder, "docker.sock");
    // An engine whose data lies in /proc: a file system of no size.
    const server = await fakeEngine(socket, () => ({
      status: 200,
      body: { DockerRootDir: "/proc/nothing/here" },
    }));
    try {
      await assert.rejects(
        diskSpace(testContext(folder), `unix://${socket}`),
        /Only 0\.0 GB are free on the disk of \/proc,[\s\S]*at least 3 GB[\s\S]*docker image prune/,
      );
    } finally {
      await close(server);
      rmSync(folder, { recursive: true });
    }
  });
});
