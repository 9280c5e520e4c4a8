/**
 * In which order data is exchanged in place, on real servers: what has ended before what is copied, and what serves before the old data is
 * let go. Each step finds the engine and the data as the steps before it must have left them.
 */
import { strict as assert } from "node:assert";
import { randomBytes } from "node:crypto";
import { constants } from "node:os";
import { createInterface } from "node:readline";
import Docker from "dockerode";
import { dataFolderOf } from "../../infra/components/database/version.ts";
import { STACK_LABEL, WORKLOAD_LABEL } from "../../infra/resources/labels.ts";
import { scriptRunner, type RunScript } from "../../ops/commands/restore/exchange.ts";
import { restoredFile } from "../../ops/commands/restore/exchange-scripts.ts";
import type { Exchanging } from "../../ops/commands/restore/hold.ts";
import { putRestored } from "../../ops/commands/restore/replace.ts";
import { postgresStore } from "../../ops/commands/restore/stores.ts";
import { putInPlace, type Exchange } from "../../ops/commands/upgrade/in-place.ts";
import { Server } from "../../ops/commands/upgrade/server.ts";
import { listContainers } from "../../ops/engine/containers.ts";
import { exchangeStage } from "../../ops/stack/exchange-stage.ts";
import { signals } from "../../ops/stack/this-process.ts";
import { buildImage, docker as cli, PASSWORD, POSTGRES } from "../support/backup-room/engine.ts";
import { eventually } from "../support/http.ts";

const MARK = "0a1b";
const FOLDER = dataFolderOf(POSTGRES);

describe("an exchange of data in place", function () {
  this.timeout(240_000);
  const docker = new Docker();
  const stack = `test-order-${randomBytes(3).toString("hex")}`;
  const [postgres, data] = [`omniai-${stack}-postgres`, `omniai-${stack}-postgres-data`];
  const script = `${postgres}-exchange`;
  const session: Exchanging = {
    ...{ docker, stack },
    handle: { waiting: { seconds: 30, say: () => undefined } },
  };
  let run: RunScript;
  /** In which order the server stopped and started, and scripts ran, since the test began. */
  let done: () => Promise<string[]>;
  let stopListening: () => void = () => undefined;

  const psql = (statement: string): Promise<string> =>
    cli("exec", postgres, "psql", "-XqAtU", "postgres", "-c", statement);
  const isUp = async (): Promise<boolean> =>
    (await docker.getContainer(postgres).inspect()).State.Status === "running";
  const replaced = async (): Promise<string[]> =>
    (await docker.listVolumes()).Volumes.map(({ Name }) => Name).filter((name) =>
      name.startsWith(`omniai-${stack}-postgres-replaced-`),
    );
  const backups = `omniai-${stack}-backup-data:/restored`;
  /** Runs a script as root in a container that sees these volumes and nothing else. */
  const inVolumes = (mounts: readonly string[], script: string): Promise<string> =>
    cli(
      ...["run", "--rm", "--network", "none", "--user", "0", "--entrypoint", "sh"],
      ...mounts.flatMap((mount) => ["-v", mount]),
      ...[POSTGRES, "-c", script],
    );
  /** A file of a volume; empty where it is not there. */
  const fileIn = (volume: string, path: string): Promise<string> =>
    inVolumes([`${volume}:/look:ro`], `cat /look/${path} 2>/dev/null || true`);
  const answers = (): Promise<unknown> =>
    eventually("the server", 60, () =>
      psql("SELECT 1").then(
        () => true,
        () => false,
      ),
    );
  /** What the engine says of the server and of the scripts that exchange, while it does it: its memory of what is over is short. */
  const listen = async (): Promise<() => Promise<string[]>> => {
    const filters = { container: [postgres, script], event: ["start", "die", "kill"] };
    const stream = await docker.getEvents({ filters });
    const found: string[] = [];
    let marks = 0;
    createInterface({ input: stream }).on("line", (line) => {
      const { Action, Actor } = JSON.parse(line) as {
        Action: string;
        Actor: { Attributes: { name: string; signal?: string } };
      };
      const { name, signal } = Actor.Attributes;
      if (Action === "kill") {
        if (name === postgres && Number(signal) === constants.signals.SIGCONT) marks += 1;
        return;
      }
      // The engine's filter takes the beginning of a name for it.
      if (name === script && Action === "start") found.push("script");
      if (name === postgres) found.push(Action === "start" ? "start" : "stop");
    });
    stopListening = () => void (stream as NodeJS.ReadableStream & { destroy: () => void }).destroy();
    return async () => {
      // The engine tells them in their order: with this one, which does nothing to a server that runs, all before it are told.
      await docker.getContainer(postgres).kill({ signal: "SIGCONT" });
      await eventually("what the engine says", 60, () => marks > 0);
      return found;
    };
  };

  before(async () => {
    const image = await buildImage();
    run = scriptRunner(session, "postgres", image);
    await cli(
      ...[
        "run",
        "-d",
        "--init",
        "--name",
        postgres,
        "--user",
        "999:999",
        "-e",
        `POSTGRES_PASSWORD=${PASSWORD}`,
      ],
      ...["--label", `${STACK_LABEL}=${stack}`, "--label", `${WORKLOAD_LABEL}=postgres`],
      ...[
        "-v",
        `${data}:${FOLDER}`,
        "--health-cmd",
        "pg_isready -q -h 127.0.0.1",
        "--health-interval",
        "1s",
        POSTGRES,
      ],
    );
    await eventually("the server", 60, async () =>
      (await cli("exec", postgres, "pg_isready", "-h", "127.0.0.1").catch(() => "")).includes("accepting"),
    );
    await psql("CREATE TABLE kept (n int); INSERT INTO kept VALUES (1)");
    await psql("CHECKPOINT");
    // What is put in place is the server's own data of this moment, which lacks what is written below.
    await cli("stop", postgres);
    await inVolumes(
      [`${data}:/data:ro`, backups],
      `mkdir -p /restored/restored && cp -a /data /restored/${postgresStore.restored} && printf '{"id": "base-1", "mark": "${MARK}"}' > /restored/${restoredFile(postgresStore)} && chown -R 999:999 /restored`,
    );
    await cli("start", postgres);
    await answers();
  });
  beforeEach(async () => {
    await psql("CREATE TABLE IF NOT EXISTS later (n int)");
    done = await listen();
  });
  afterEach(async () => {
    stopListening();
    for (const name of await replaced()) await cli("volume", "rm", name);
  });
  after(async () => {
    signals.leave();
    await cli("rm", "--force", "--volumes", postgres);
    await eventually("the hold to go", 60, async () => (await cli("ps", "-aqf", `name=${script}`)) === "");
    await cli("volume", "rm", data, `omniai-${stack}-backup-data`);
  });

  const isNew = async (): Promise<void> =>
    assert.equal(
      await psql("SELECT to_regclass('kept') || ',' || (to_regclass('later') IS NULL)"),
      "kept,true",
    );
  const isOld = async (): Promise<void> => {
    await answers();
    assert.equal(await psql("INSERT INTO later VALUES (1) RETURNING n"), "1");
    assert.equal(await exchangeStage({ docker, stack }, "postgres"), "none");
    assert.deepEqual(await replaced(), []);
  };

  describe("by a restore", () => {
    const restore = async (update: () => Promise<void>, store = postgresStore): Promise<string> => {
      const [server] = await listContainers(docker, stack);
      assert.ok(server);
      return putRestored(session, server, {
        ...{ store, run, mark: MARK, again: "npm run again" },
        update,
      });
    };

    it("stops the server, exchanges, serves, brings up to date, and only then lets the old data go", async () => {
      let updated = false;
      const aside = await restore(async () => {
        await isNew();
        assert.equal(await exchangeStage({ docker, stack }, "postgres"), "complete");
        assert.deepEqual(await replaced(), [], "the old data can still be put back");
        updated = true;
      });
      assert.ok(updated);
      assert.deepEqual(await done(), ["stop", "script", "start", "script"]);
      assert.deepEqual(await replaced(), [aside]);
      assert.equal(await fileIn(aside, "PG_VERSION"), await fileIn(data, "PG_VERSION"));
      assert.equal(await exchangeStage({ docker, stack }, "postgres"), "none");
    });

    it("puts the old data back with the server stopped, where that does not start with the new", async () => {
      const control = `/restored/${postgresStore.restored}/global/pg_control`;
      await inVolumes([backups], `mv ${control} ${control}.away`);
      try {
        await assert.rejects(
          restore(() => assert.fail("it does not serve")),
          /did not start with the restored data, so the old data is in place again/,
        );
      } finally {
        await inVolumes([backups], `mv ${control}.away ${control}`);
      }
      const all = await done();
      assert.deepEqual(all.slice(0, 3), ["stop", "script", "start"]);
      assert.deepEqual(all.slice(-3), ["stop", "script", "start"]);
      await isOld();
    });

    it("stops a server that runs and does not answer before the old data is put back", async () => {
      // Ends what would go on asking for two minutes.
      const store = { ...postgresStore, ready: ["sh", "-c", "kill $PPID"] };
      await assert.rejects(
        restore(() => assert.fail("it does not serve"), store),
        /did not start with the restored data, so the old data is in place again/,
      );
      assert.deepEqual(await done(), ["stop", "script", "start", "stop", "script", "start"]);
      await isOld();
    });
  });

  describe("by an upgrade", () => {
    const upgrade = async (
      room: Partial<Exchange["room"]>,
      deploy: Partial<Exchange["deploy"]>,
    ): Promise<string> => {
      const unexpected = (what: string) => () => assert.fail(what);
      const { aside } = await putInPlace(session, {
        ...{ image: POSTGRES, from: 17, version: 18, again: "npm run again" },
        server: new Server(docker, (await docker.getContainer(postgres).inspect()).Id),
        room: {
          image: await buildImage(),
          disk: { name: "", free: 0 },
          rehearse: unexpected("it was tried already"),
          whenFree: () => Promise.resolve(),
          upgrade: unexpected("nothing is copied"),
          ...room,
        },
        deploy: { next: unexpected("it does not serve"), before: unexpected("nothing goes back"), ...deploy },
      });
      return aside ?? "";
    };
    const restored = {
      ...{ backup: { id: "dump-1" }, mark: MARK, tables: 1, rows: 1, changes: [], until: "", seconds: 0 },
    } as unknown as Awaited<ReturnType<Exchange["room"]["upgrade"]>>;
    const refusesWrites = async (): Promise<void> => {
      await assert.rejects(psql("INSERT INTO later VALUES (2)"), /read-only transaction/);
    };
    const serve = async (): Promise<void> => {
      await cli("start", postgres);
      await answers();
    };

    it("waits while all can write, copies while nobody can, and lets the old data go once the new serves", async () => {
      const steps: string[] = [];
      const aside = await upgrade(
        {
          whenFree: async () => {
            await psql("INSERT INTO later VALUES (3)");
            steps.push("waited");
          },
          upgrade: async () => {
            await refusesWrites();
            steps.push("copied");
            return restored;
          },
        },
        {
          next: async () => {
            assert.ok(!(await isUp()));
            assert.equal(await exchangeStage({ docker, stack }, "postgres"), "complete");
            assert.deepEqual(await replaced(), [], "the old data can still be put back");
            // Whoever goes back to it, by whichever way, can write to it.
            const settings = await fileIn(data, ".replaced/postgresql.auto.conf");
            assert.match(settings, /ALTER SYSTEM/);
            assert.doesNotMatch(settings, /read_only/);
            await serve();
            await isNew();
            steps.push("served");
          },
        },
      );
      assert.deepEqual(steps, ["waited", "copied", "served"]);
      assert.deepEqual(await done(), ["stop", "script", "start", "script"]);
      assert.deepEqual(await replaced(), [aside]);
    });

    it("whose copy fails has stopped and moved nothing, and writes are taken again", async () => {
      await assert.rejects(
        upgrade({ upgrade: () => Promise.reject(new Error("it does not restore")) }, {}),
        /does not restore/,
      );
      assert.deepEqual(await done(), []);
      await isOld();
    });

    it("whose new server does not serve puts the old data back before the old version is deployed", async () => {
      const steps: string[] = [];
      await assert.rejects(
        upgrade(
          { upgrade: () => Promise.resolve(restored) },
          {
            next: async () => {
              await serve();
              throw new Error("it is not healthy");
            },
            before: async () => {
              assert.ok(!(await isUp()));
              assert.equal(await exchangeStage({ docker, stack }, "postgres"), "none");
              await serve();
              steps.push("back");
            },
          },
        ),
        /is not healthy/,
      );
      assert.deepEqual(steps, ["back"]);
      assert.deepEqual(await done(), ["stop", "script", "start", "stop", "script", "start"]);
      await isOld();
    });
  });
});
