/** A stack's engine and data, compared on the real engine with what a state knows. */
import { strict as assert } from "node:assert";
import { spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Docker from "dockerode";
import { IDENTITY_FILE, MOVED_FILE } from "../../../infra/resources/identity.ts";
import { packFiles } from "../../../infra/resources/archive.ts";
import { SessionSocket } from "../../engine/ssh/sessions.ts";
import { createOfAnyImage } from "../../engine/volume-file.ts";
import { ASIDE, COPYING, EXCHANGE, MOVING } from "../../stack/exchange-stage.ts";
import {
  checkIdentity,
  checkOwnEngine,
  checkSameEngine,
  checkToJudge,
  type Allowed,
  type Settlement,
} from "../../stack/identity.ts";
import { types, type State, type StateResource } from "../../stack/state.ts";
import { exit, OpsError } from "../../terminal/errors.ts";

describe("a stack's engine and data @engine", () => {
  const docker = new Docker();
  const stack = `test-identity-${randomBytes(4).toString("hex")}`;
  const volume = `omniai-${stack}-redis-data`;
  let engine: { ID: string; Name: string };

  const urnOf = (name: string): string => `urn:pulumi:${stack}::omniai::t::${name}`;
  const resource = (name: string, type: string, outputs: Record<string, unknown> = {}): StateResource => ({
    ...{ urn: urnOf(name), type, outputs },
    created: "2026-01-02T03:04:05Z",
  });
  const state = (id: string, name: string): State => ({
    resources: [
      resource(`omniai-${stack}-engine`, types.command, { stdout: JSON.stringify({ id, name }) }),
      resource(volume, types.volume),
      resource(`omniai-${stack}-redis-identity`, types.uuid, { result: "mine" }),
      resource(`omniai-${stack}-redis-claim`, types.command),
    ],
  });
  const looked = (id: string, name = "former") => ({
    ...{ docker, dockerHost: "unix:///here.sock", stack, state: state(id, name) },
    served: { time: "2026-02-03T04:05:06.000Z", seconds: 60, who: "me@there" },
  });
  const check = (allowed: Allowed = {}, id = engine.ID, name?: string): Promise<Settlement> =>
    checkIdentity(looked(id, name), allowed);
  const refuses = async (checked: Promise<unknown>, what: RegExp, remedy: RegExp): Promise<void> => {
    const error = await checked.then(
      () => assert.fail("nothing was refused"),
      (reason: unknown) => reason,
    );
    assert.ok(error instanceof OpsError, String(error));
    assert.match(error.message, what);
    assert.match(error.remedy, remedy);
  };

  const remove = (): Promise<unknown> =>
    docker
      .getVolume(volume)
      .remove()
      .catch(() => undefined);
  /** @param identity undefined for an empty volume. */
  const put = (identity: string | undefined, ...marks: readonly string[]): Promise<void> =>
    write({
      ...(identity === undefined ? {} : { [IDENTITY_FILE]: identity }),
      ...Object.fromEntries(marks.map((mark) => [mark, ""])),
    });
  const write = async (files: Readonly<Record<string, string>>): Promise<void> => {
    await remove();
    await docker.createVolume({ Name: volume, Labels: { "io.omniai.stack": stack } });
    if (Object.keys(files).length === 0) return;
    const HostConfig = { Binds: [`${volume}:/data:nocopy`] };
    const container =
      (await createOfAnyImage(docker, { Cmd: ["-"], HostConfig })) ?? assert.fail("the engine has no image");
    const entries = Object.entries(files).map(([file, text]) => [file, { content: `${text}\n` }]);
    const tar = await packFiles(Object.fromEntries(entries) as Parameters<typeof packFiles>[0], {
      ...{ uid: 0, gid: 0 },
    });
    await container.putArchive(Buffer.from(tar, "base64"), { path: "/data" });
    await container.remove({ force: true });
  };

  before(async () => {
    engine = (await docker.info()) as typeof engine;
  });
  after(remove);

  it("are right where both are those that the state knows", async () => {
    await put("mine");
    assert.deepEqual(await check(), { forget: [] });
    await refuses(check({ acceptEmpty: ["redis"] }), /where it should be/, /without --accept-empty redis/);
  });

  it("are right on an engine with another id that has its name and the data, which is then recorded anew", async () => {
    const record = [urnOf(`omniai-${stack}-engine`)];
    assert.deepEqual(await check({}, "ANOTHER", engine.Name), { forget: record });
    await checkSameEngine(looked("ANOTHER", engine.Name), false);
  });

  it("are refused on an engine with another id and name that has the data, as one has that the stack was moved from", async () => {
    const what = /state knows the engine "former" \(ANOTHER\)/;
    await refuses(check({}, "ANOTHER"), what, /--move/);
    await refuses(checkSameEngine(looked("ANOTHER"), false), what, /--move/);
    assert.deepEqual(await check({ move: true }, "ANOTHER"), { forget: [urnOf(`omniai-${stack}-engine`)] });
  });

  for (const [kind, said] of [
    ["gone", /is not on the engine \(unix:\/\/\/here\.sock\) any more/],
    ["emptied", /the data is not in it/],
  ] as const) {
    it(`are refused where the data is ${kind}, unless that may begin anew`, async () => {
      if (kind === "gone") await remove();
      else await put(undefined);
      const what = new RegExp(
        `The data of redis in stack ${stack}, begun 2026-01-02 03:04:05 UTC, is lost.*${said.source}` +
          ".*deployed well last, 2026-02-03 04:05:06 UTC by me@there.*Nothing was changed",
      );
      const remedy = new RegExp(
        `no backup of redis: stack ${stack} has no backup room[^]*begin anew where data is lost, which comes before every restore: npm run up -- --accept-empty redis --stack ${stack}`,
      );
      await refuses(check(), what, remedy);
      await refuses(check({ acceptEmpty: ["postgres"] }), what, remedy);
      const forget = [`omniai-${stack}-redis-identity`, `omniai-${stack}-redis-claim`];
      assert.deepEqual(await check({ acceptEmpty: ["redis"] }), {
        forget: [...forget, ...(kind === "gone" ? [volume] : [])].map(urnOf),
      });
    });
  }

  it("are refused where a move has taken the data away, and may not begin anew there", async () => {
    await put(undefined, MOVED_FILE);
    for (const allowed of [{}, { acceptEmpty: ["redis"] }])
      await refuses(check(allowed), /The data of redis .* was moved from this engine/, /omniai:dockerHost/);
  });

  it("are refused where an exchange of the data was broken off, whatever is allowed, and fit where one is complete", async () => {
    for (const [mark, identity, allowed] of [
      [MOVING, undefined, { acceptEmpty: ["redis"] }],
      [COPYING, "mine", {}],
    ] as const) {
      await put(identity, EXCHANGE, mark);
      await refuses(check(allowed), /redis .* was broken off.*Nothing is lost/, /--redis --latest --replace/);
    }
    await put("mine", EXCHANGE);
    assert.deepEqual(await check(), { forget: [] });
  });

  it("are known by the data that lies aside where a host was set up anew in the midst of an exchange", async () => {
    const aside = { [`${ASIDE}/${IDENTITY_FILE}`]: "mine" };
    // What is in its place may be a part of a backup, which has the identity of the data that it was taken of.
    const parts: readonly Record<string, string>[] = [{}, { [IDENTITY_FILE]: "of a backup" }];
    for (const part of parts) {
      await write({ ...aside, ...part, [EXCHANGE]: "", [COPYING]: "" });
      await checkOwnEngine(looked("ANOTHER", engine.Name));
      await refuses(
        check({}, "ANOTHER", engine.Name),
        /was broken off.*Nothing is lost/,
        /--latest --replace/,
      );
      await refuses(checkOwnEngine(looked("ANOTHER")), /is on another Docker engine/, /dockerHost/);
    }
    // An exchange that is over has its own data in place, and what lies aside proves nothing.
    await write({ ...aside, [EXCHANGE]: "" });
    await refuses(check(), /the data is not in it/, /accept-empty redis/);
  });

  it("are refused where the volume holds other data, whatever is allowed", async () => {
    await put("theirs");
    for (const allowed of [{}, { acceptEmpty: ["redis"] }])
      await refuses(check(allowed), /other data \(theirs instead of mine\)/, /docker volume rm/);
  });

  it("are refused on an engine without the data, unless the stack moves there; its data is another question", async () => {
    await remove();
    const what =
      /state knows the engine "former" \(ANOTHER\), and unix:\/\/\/here\.sock is ".*" \(.*Nothing was changed/;
    await refuses(check({}, "ANOTHER"), what, /--move/);
    await refuses(checkSameEngine(looked("ANOTHER"), false), what, /dockerHost/);
    await refuses(
      check({}, "ANOTHER"),
      /Not here: the data of redis/,
      /up -- --move --accept-empty redis --stack/,
    );
    await refuses(checkSameEngine(looked("ANOTHER"), false), what, /npm run down -- --move --stack/);
    await checkSameEngine(looked("ANOTHER"), true);
    const whole = /npm run up -- --move --accept-empty redis --stack/;
    await refuses(check({ move: true }, "ANOTHER"), /The data of redis .* is lost/, whole);
    const { forget } = await check({ move: true, acceptEmpty: ["redis"] }, "ANOTHER");
    assert.equal(forget.length, 4);
    assert.equal(forget[3], urnOf(`omniai-${stack}-engine`));
  });

  it("are named in one message with one command, whatever is lost", async () => {
    await remove();
    const both = looked(engine.ID);
    const resources = [
      ...(both.state.resources ?? []),
      resource(`omniai-${stack}-postgres-data`, types.volume),
      resource(`omniai-${stack}-postgres-identity`, types.uuid, { result: "rows" }),
    ];
    for (const acceptEmpty of [[], ["redis"]])
      await refuses(
        checkIdentity({ ...both, state: { resources } }, { acceptEmpty, move: true }),
        acceptEmpty.length === 0
          ? /data of postgres .* is lost.*data of redis .* is lost/
          : /data of postgres/,
        /npm run up -- --move --accept-empty postgres,redis --stack/,
      );
  });

  describe("looked at to judge the stack", () => {
    const judge = (id = engine.ID, name?: string, by = docker): Promise<void> =>
      checkToJudge({ ...looked(id, name), docker: by });

    it("are those that the state knows", async () => {
      await put("mine");
      await judge();
      await judge("ANOTHER", engine.Name);
    });

    it("are refused on another engine, without advice to deploy there", async () => {
      const what = /state knows the engine "former" \(ANOTHER\), and unix:\/\/\/here\.sock is/;
      for (const there of [true, false]) {
        await (there ? put("mine") : remove());
        await refuses(judge("ANOTHER"), what, /^(?![^]*npm run up)[^]*dockerHost/);
      }
    });

    it("are told in plain words where the data is lost, and count as drift", async () => {
      await remove();
      const what = /The data of redis .* is lost: .*is not on the engine/;
      await refuses(judge(), what, /npm run up -- --accept-empty redis --stack/);
      const error = await judge().catch((reason: unknown) => reason);
      assert.equal((error as OpsError).exitCode, exit.drift);
      await put("theirs");
      await refuses(judge(), /other data \(theirs instead of mine\)/, /docker volume rm/);
      await put("mine", EXCHANGE, MOVING);
      await refuses(judge(), /was broken off/, /--replace/);
    });

    describe("with a key that may only look", () => {
      const folder = mkdtempSync(join(tmpdir(), "omniai-reader-"));
      const socketPath = join(folder, "engine.sock");
      const program = join(import.meta.dirname, "../../../infra/components/host/steps/engine-reader.py");
      const env = { ...process.env, SSH_ORIGINAL_COMMAND: "docker system dial-stdio" };
      const carrier = {
        isOpen: true,
        session: () => spawn("python3", [program], { env }),
        close: () => undefined,
      };
      const sessions = new SessionSocket([carrier], () => Promise.resolve(carrier), "");
      const reader = new Docker({ socketPath });

      before(async function () {
        // It runs on the host, and not every machine that tests has a Python.
        if (spawnSync("python3", ["--version"]).status !== 0) this.skip();
        await sessions.listen(socketPath);
      });
      after(() => {
        sessions.close();
        rmSync(folder, { recursive: true, force: true });
      });

      it("are the engine, and the volumes that are there; what is in them is passed over", async () => {
        await put("mine");
        await judge(engine.ID, undefined, reader);
        await refuses(judge("ANOTHER", undefined, reader), /is on another Docker engine/, /dockerHost/);
        // Nothing proves that an engine with another id is the one, whatever it is called.
        const unread = /is on another Docker engine(?!.*The same data is here)/;
        await refuses(judge("ANOTHER", engine.Name, reader), unread, /only set up anew, npm run up/);
        await remove();
        await refuses(judge(engine.ID, undefined, reader), /is lost: .*is not on the engine/, /accept-empty/);
      });
    });
  });

  it("need no data to be taken down", async () => {
    await checkSameEngine(looked(engine.ID), false);
  });
});
