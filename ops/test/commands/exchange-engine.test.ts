/** What an exchange that was left running, or half kept, has on the engine: the next run ends it first. */
import { strict as assert } from "node:assert";
import { spawn, type ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import Docker from "dockerode";
import { eventually } from "../../../test/support/http.ts";
import { freePort } from "../../../tools/host/free-port.ts";
import { packFiles } from "../../../infra/resources/archive.ts";
import { EXCHANGE_LABEL } from "../../../infra/resources/labels.ts";
import {
  checkRestored,
  exchangeRestored,
  keepAside,
  scriptRunner,
  settleExchange,
} from "../../commands/restore/exchange.ts";
import { PARTIAL, restoredFile } from "../../commands/restore/exchange-scripts.ts";
import { holdExchange, type Exchanging } from "../../commands/restore/hold.ts";
import { roomOr } from "../../commands/restore/restore.ts";
import { redisStore } from "../../commands/restore/stores.ts";
import { unlessGone } from "../../engine/connection.ts";
import { readVolumeFile } from "../../engine/volume-file.ts";
import {
  ASIDE,
  checkExchange,
  COPYING,
  EXCHANGE,
  exchangeStage,
  MOVING,
} from "../../stack/exchange-stage.ts";
import { ROOT } from "../../stack/place.ts";
import { readSettings } from "../../stack/settings.ts";
import { signals } from "../../stack/this-process.ts";
import { exit, OpsError } from "../../terminal/errors.ts";

/** Whom the scripts of an exchange run as. */
const OWNER = 999;

describe("an exchange on the engine @engine", () => {
  const docker = new Docker();
  const stack = `test-exchange-${randomBytes(4).toString("hex")}`;
  const name = `omniai-${stack}-redis-exchange`;
  const data = `omniai-${stack}-redis-data`;
  /** An exchange runs in the store's own image. */
  const image = readSettings(ROOT, "dev").config.redisImage ?? assert.fail("dev has no image of Redis");

  const put = (volume: string, ...files: readonly string[]): Promise<void> =>
    write(volume, Object.fromEntries(files.map((file) => [file, ""])));
  const write = async (volume: string, files: Readonly<Record<string, string>>): Promise<void> => {
    await docker.createVolume({ Name: volume, Labels: { "io.omniai.stack": stack } });
    const HostConfig = { Binds: [`${volume}:/data:nocopy`] };
    // The volume's own folder too belongs to whom the scripts run as, as it does in a stack.
    const Entrypoint = ["chown", "-R", `${OWNER}:${OWNER}`, "/data"];
    const of = { Image: image, User: "0:0", Entrypoint, Cmd: [], HostConfig };
    const container = await docker.createContainer(of);
    const entries = Object.entries(files).map(([file, content]) => [file, { content }]);
    const tar = await packFiles(Object.fromEntries(entries) as Parameters<typeof packFiles>[0], {
      uid: OWNER,
      gid: OWNER,
    });
    await container.putArchive(Buffer.from(tar, "base64"), { path: "/data" });
    await container.start();
    await container.wait();
    await container.remove({ force: true });
  };
  const volumes = async (): Promise<string[]> =>
    (await docker.listVolumes()).Volumes.map((volume) => volume.Name)
      .filter((volume) => volume.startsWith(`omniai-${stack}-`))
      .sort();
  const kept = async (): Promise<string[]> =>
    (await volumes()).filter((volume) => volume.startsWith(`omniai-${stack}-redis-replaced-`));

  after(async () => {
    await unlessGone(docker.getContainer(name).remove({ force: true }));
    for (const volume of [data, `omniai-${stack}-backup-data`, ...(await kept())])
      await unlessGone(docker.getVolume(volume).remove());
  });

  // What this process holds, it holds until it ends.
  afterEach(async () => {
    signals.leave();
    await gone(`${name}-hold`);
  });

  const said: string[] = [];
  const session = (seconds: number): Exchanging => ({
    ...{ docker, stack },
    handle: { waiting: { seconds, say: (line) => void said.push(line) } },
  });
  const isThere = async (id: string): Promise<boolean> =>
    (await unlessGone(docker.getContainer(id).inspect())) !== undefined;
  const gone = (id: string): Promise<boolean> =>
    eventually(`${id} is gone`, 30, async () => !(await isThere(id)));
  const sleeping = async (as: string, labels: Readonly<Record<string, string>> = {}): Promise<string> => {
    const HostConfig = { Init: true };
    const Entrypoint = ["sh", "-c", "sleep 600"];
    const one = await docker.createContainer({
      name: as,
      Image: image,
      Entrypoint,
      Cmd: [],
      Labels: labels,
      HostConfig,
    });
    await one.start();
    return one.id;
  };
  const remove = (as: string): Promise<unknown> =>
    unlessGone(docker.getContainer(as).remove({ force: true }));
  const another = (): string =>
    JSON.stringify({
      pid: 4711,
      hostname: "elsewhere",
      timestamp: "2026-01-02T03:04:05Z",
      username: "ada",
      command: "restore",
    });

  const noShell = (): Promise<string> => assert.fail("the room's own image is there");

  it("has one name, so that a script of a client that is gone is ended before the next begins", async () => {
    for (const make of [
      async () => (await docker.createContainer({ name, Image: image, Cmd: ["-"] })).id,
      // Its run held the exchange, and holds it no longer.
      () => sleeping(name, { [EXCHANGE_LABEL]: another() }),
    ]) {
      const id = await make();
      await scriptRunner(session(0), "redis", image)("true");
      assert.ok(!(await isThere(id)));
      assert.ok(!(await isThere(name)));
    }
  });

  it("that runs and is not known to be over is waited for, and never ended", async () => {
    const room = `omniai-${stack}-backup`;
    await sleeping(room, { "io.omniai.stack": stack, "io.omniai.workload": "backup" });
    const id = await sleeping(name);
    await assert.rejects(settleExchange(session(1), redisStore, noShell), (error: OpsError) => {
      assert.match(error.message, new RegExp(`is being exchanged by .*${name}.*Nothing was changed`));
      assert.match(error.remedy, new RegExp(`docker rm -f ${name}\\n  Waited 1 s; --lock-wait`));
      assert.equal(error.exitCode, exit.locked);
      return true;
    });
    assert.ok(await isThere(id));
    assert.equal(said.filter((line) => /waiting for it, at most 1 s/.test(line)).length, 1);
    await remove(name);
    await remove(room);
  });

  it("that was broken off is put back without the room, which only a deploy brings back", async () => {
    const room = `omniai-${stack}-backup`;
    const labels = { "io.omniai.stack": stack, "io.omniai.workload": "backup" };
    for (const hasRoom of [true, false]) {
      if (hasRoom) await docker.createContainer({ name: room, Image: image, Cmd: ["-"], Labels: labels });
      await unlessGone(docker.getVolume(data).remove());
      await write(data, {
        [EXCHANGE]: "",
        [COPYING]: "",
        [`${ASIDE}/appendonlydir/data`]: "old",
        rest: "new",
      });
      const bring = hasRoom ? noShell : () => Promise.resolve(image);
      assert.equal((await settleExchange(session(1), redisStore, bring)).found, "half");
      const path = "appendonlydir/data";
      assert.equal(await readVolumeFile(docker, { stack, volume: data, path }), "old");
      assert.equal(await exchangeStage({ docker, stack }, "redis"), "none");
      assert.deepEqual(await volumes(), [data], "the engine makes a volume that is mounted and not there");
      await remove(room);
    }
    await unlessGone(docker.getVolume(data).remove());
  });

  it("is looked for only where the room is gone or stopped, and hides neither that nor why it could not be put back", async () => {
    const room = `omniai-${stack}-backup`;
    const labels = { "io.omniai.stack": stack, "io.omniai.workload": "backup" };
    let settled = 0;
    const settle = (): Promise<void> => {
      settled += 1;
      return Promise.resolve();
    };
    await assert.rejects(roomOr(docker, stack, settle), /has no backup room/);
    await docker.createContainer({ name: room, Image: image, Cmd: ["-"], Labels: labels });
    await assert.rejects(roomOr(docker, stack, settle), /does not run \(created\)/);
    assert.equal(settled, 2);
    const held = (): Promise<void> => Promise.reject(new OpsError("Ada has it.", "Wait.", exit.locked));
    await assert.rejects(roomOr(docker, stack, held), (error: OpsError) => {
      assert.match(error.message, /does not run.*put back first, and that failed: Ada has it\./);
      assert.match(error.remedy, /^Wait\.\n {2}Start it: npm run up/);
      return error.exitCode === exit.locked;
    });
    await remove(room);
    const away = new Docker({ protocol: "http", host: "127.0.0.1", port: await freePort() });
    await assert.rejects(roomOr(away, stack, settle), /ECONNREFUSED/);
    assert.equal(settled, 2);
  });

  describe("of another machine", () => {
    const hold = `${name}-hold`;
    let child: ChildProcess | undefined;
    /** Another process, which holds the exchange as a run of ops does. */
    const holding = async (): Promise<ChildProcess> => {
      const program = `
        const { default: Docker } = await import("dockerode");
        const { holdExchange } = await import(${JSON.stringify(join(import.meta.dirname, "../../commands/restore/hold.ts"))});
        const session = { docker: new Docker(), stack: ${JSON.stringify(stack)}, handle: { waiting: { seconds: 30, say: () => {} } } };
        await holdExchange(session, "redis", ${JSON.stringify(image)});
        process.stdout.write("held");
        setInterval(() => {}, 1000);`;
      const started = spawn(process.execPath, ["--input-type=module", "-e", program, "--", "restore"], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      child = started;
      await once(started.stdout, "data");
      return started;
    };
    beforeEach(() => (child = undefined));
    afterEach(() => child?.kill("SIGKILL"));

    it("is held from its first script to its last, and by name", async () => {
      const holder = await holding();
      // Others only know it by the container: also where its process cannot be seen.
      await put(data, EXCHANGE, MOVING);
      await assert.rejects(checkExchange({ docker, stack }, "redis"), (error: OpsError) => {
        assert.match(error.message, new RegExp(`is being exchanged by pid ${holder.pid} .*, since`));
        assert.doesNotMatch(error.message, /broken off/);
        return error.exitCode === exit.locked;
      });
      await assert.rejects(holdExchange(session(1), "redis", image), /is being exchanged by pid/);
      holder.kill("SIGKILL");
      await once(holder, "exit");
      await gone(hold);
      await assert.rejects(checkExchange({ docker, stack }, "redis"), /was broken off/);
    });

    it("is waited for, and is free as soon as its process is gone, however that ended", async () => {
      const holder = await holding();
      const script = await sleeping(name, { [EXCHANGE_LABEL]: another() });
      said.length = 0;
      const waited = scriptRunner(session(60), "redis", image)("true");
      await eventually("somebody waits", 30, () => said.length > 0);
      assert.match(said[0] ?? "", /is being exchanged by pid \d+ .*waiting for it, at most 60 s/);
      assert.ok(await isThere(script));
      holder.kill("SIGKILL");
      await waited;
      assert.ok(!(await isThere(script)));
    });

    it("that has taken the hold away from this one ends its work", async () => {
      await scriptRunner(session(1), "redis", image)("true");
      await remove(hold);
      // How soon this process hears of it is the engine's affair.
      let reason = "";
      for (const end = performance.now() + 30_000; reason === "" && performance.now() < end; await sleep(100))
        await scriptRunner(
          session(1),
          "redis",
          image,
        )("true").catch((error: Error) => {
          reason = error.message;
        });
      assert.match(reason, /hold of this run .* has ended/);
    });
  });

  it("puts in place only what was confirmed, whatever was restored meanwhile", async () => {
    const backup = `omniai-${stack}-backup-data`;
    const restore = (mark: string): Promise<void> =>
      write(backup, {
        [restoredFile(redisStore)]: JSON.stringify({ id: "redis-1", checksum: "0", mark }),
        [`${redisStore.restored}/appendonlydir/data`]: mark,
      });
    const inPlace = (): Promise<string | undefined> =>
      readVolumeFile(docker, { stack, volume: data, path: "appendonlydir/data" });
    await unlessGone(docker.getVolume(data).remove());
    await write(data, { "appendonlydir/data": "old" });
    const run = scriptRunner(session(30), "redis", image);
    const exchange = (mark: string): Promise<void> => exchangeRestored({ stack }, redisStore, run, mark);
    await restore("confirmed");
    await checkRestored({ docker, stack }, redisStore, "confirmed");
    await restore("another");
    await assert.rejects(
      checkRestored({ docker, stack }, redisStore, "confirmed"),
      /is not in the backup volume any more: another restore or upgrade .* Nothing was replaced/,
    );
    await assert.rejects(exchange("confirmed"), /another restore or upgrade has taken the place/);
    assert.equal(await inPlace(), "old");
    await exchange("another");
    assert.equal(await inPlace(), "another");
    await unlessGone(docker.getVolume(data).remove());
  });

  it("whose old data cannot be kept leaves no part of it for the whole, and says what keeps it", async () => {
    await put(data, EXCHANGE);
    const whole = `omniai-${stack}-redis-replaced-20260101T000000`;
    await put(whole, "appendonly.aof");
    await put(`omniai-${stack}-redis-replaced-20260102T000000`, PARTIAL);
    const run = (): Promise<void> => Promise.reject(new Error("no space left on device"));
    await assert.rejects(
      keepAside({ docker, stack }, redisStore, run, "npm run again"),
      (error: { message: string; remedy: string }) =>
        /could not be copied.*no space left/.test(error.message) &&
        error.remedy.includes(data) &&
        error.remedy.endsWith("npm run again"),
    );
    assert.deepEqual(await kept(), [whole]);
  });
});
