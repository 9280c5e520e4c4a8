/** A whole stack on a PostgreSQL and a Redis that others run, with certificates of a private authority. */
import { strict as assert } from "node:assert";
import { execFileSync } from "node:child_process";
import { copyFileSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  certificateFor,
  startTlsPostgres,
  startTlsRedis,
  TlsFiles,
} from "../../service/test/support/tls-servers.ts";
import type { TestServer } from "../../service/test/support/servers.ts";
import { reachableAddress } from "../support/addresses.ts";
import { defaults } from "../../infra/test/defaults.ts";
import { freePort } from "../../tools/host/free-port.ts";
import { ACCESS_KEY, BUCKET, BucketServer, SECRET_KEY } from "../support/backup-room/bucket.ts";
import { createCheckout, removeCheckout } from "../support/checkout.ts";
import { eventually, publish } from "../support/http.ts";
import { untilAtRest } from "../support/own-backups.ts";
import { setSecret } from "../support/stack-secrets.ts";
import { createStack, docker, startCommandIn, sweep, type TestStack } from "../support/stack.ts";

const ADDRESS = reachableAddress();

const CONNECTED = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'tenant'";

describe("a stack on servers that others run", function () {
  this.timeout(600_000);
  const files = new TlsFiles();
  let checkout: string;
  let stack: TestStack;
  let postgres: TestServer;
  let redis: TestServer;
  let authority: string;
  let bucket: BucketServer | undefined;
  let endpoint = "";
  let fresh: string | undefined;
  let operatorsKey = "";
  /** The one that the stack uses. */
  let database = "shop";
  const psql = (statement: string): Promise<string> =>
    postgres.exec("psql", "-XqAtU", "postgres", "-d", database, "-c", statement);
  const useDatabase = (name: string): void => {
    database = name;
    setSecret(
      stack,
      "omniai:databaseSecretUrl",
      `postgres://tenant:test@${ADDRESS}:${postgres.port}/${name}`,
    );
  };

  before(async () => {
    authority = readFileSync(await certificateFor(files, "server", [ADDRESS]), "utf8");
    [postgres, redis] = await Promise.all([
      startTlsPostgres(files, "server", ADDRESS),
      startTlsRedis(files, "server", { address: ADDRESS }),
    ]);
    checkout = createCheckout();
    stack = await createStack(checkout, {
      backendReplicas: 1,
      database: "external",
      databaseAuthority: authority,
      redis: "container",
    });
    useDatabase("shop");
    const { code, output } = await stack.run("up", "--yes");
    assert.equal(code, 0, output);
  });
  after(async () => {
    await stack?.remove();
    await Promise.all([postgres?.remove(), redis?.remove(), bucket?.remove()]);
    for (const folder of [checkout, fresh]) if (folder !== undefined) removeCheckout(folder);
    files.remove();
  });

  const workloads = async (): Promise<string[]> =>
    (await stack.containers())
      .map((name) => name.replace(`omniai-${stack.name}-`, "").replace(/-.*/, ""))
      .sort();
  const dataVolumes = async (): Promise<string[]> => {
    const label = [`io.omniai.stack=${stack.name}`, "io.omniai.data=true"];
    const { Volumes } = await docker.listVolumes({ filters: JSON.stringify({ label }) });
    return (Volumes ?? []).map(({ Name }) => Name);
  };
  /** Adds keys to the stack's file, which has secrets that `configure` does not know. */
  const addToFile = (config: Readonly<Record<string, string>>): void => {
    const file = join(checkout, `Pulumi.${stack.name}.yaml`);
    const lines = Object.entries(config).map(([key, value]) => `  omniai:${key}: ${value}\n`);
    writeFileSync(file, readFileSync(file, "utf8").replace("config:\n", `config:\n${lines.join("")}`));
  };
  const done = async (command: string, ...args: string[]): Promise<string> => {
    const { code, stdout, output } = await stack.run(command, ...args);
    assert.equal(code, 0, output);
    return stdout;
  };
  const takesAnEvent = async (): Promise<void> => {
    const { status, text } = await publish(stack.http, { type: "hello", data: 1 });
    assert.equal(status, 201, text);
  };

  it("has no PostgreSQL of its own, and migrates and serves by TLS", async () => {
    assert.deepEqual(await workloads(), ["backend", "edge", "redis"]);
    await takesAnEvent();
    assert.ok(Number(await psql("SELECT count(*) FROM schema_migrations")) >= 3);
    assert.equal(
      await psql(
        "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = 'tenant'",
      ),
      "t",
    );
  });

  it("goes over to a Redis of others only when somebody says so, and leaves its own volume where it is", async () => {
    const own = `omniai-${stack.name}-redis-data`;
    assert.deepEqual(await dataVolumes(), [own]);
    const file = join(checkout, `Pulumi.${stack.name}.yaml`);
    const over = `omniai:redis: external\n  omniai:redisAuthority: ${JSON.stringify(authority)}`;
    writeFileSync(file, readFileSync(file, "utf8").replace(/omniai:redis: "?container"?/, over));
    setSecret(stack, "omniai:redisSecretUrl", `rediss://:test@${ADDRESS}:${redis.port}`);
    const refused = await stack.run("up", "--yes");
    assert.notEqual(refused.code, 0, refused.output);
    assert.match(refused.output, /data of its own for redis[\s\S]*--accept-empty redis/);
    const { code, output } = await stack.run("up", "--yes", "--accept-empty", "redis");
    assert.equal(code, 0, output);
    assert.deepEqual(await workloads(), ["backend", "edge"]);
    assert.deepEqual(await dataVolumes(), [own]);
    await takesAnEvent();
    const again = await stack.run("up", "--yes");
    assert.equal(again.code, 0, again.output);
  });

  it("says what it cannot see of them, and refuses by name what is their provider's", async () => {
    const status = await stack.run("status");
    assert.equal(status.code, 0, status.output);
    assert.match(
      status.stdout,
      /PostgreSQL is external \(omniai:database\)[\s\S]*Redis is external \(omniai:redis\)/,
    );
    const commands = [["backup"], ["restore", "--latest"], ["upgrade", "postgres", "18", "--yes"]] as const;
    for (const [command, ...args] of commands) {
      const { code, output } = await stack.run(command, ...args);
      assert.equal(code, 2, output);
      assert.match(output, /PostgreSQL of stack .* is external \(omniai:database\)/);
    }
  });

  it("is not touched by a checkout that has lost its state, although no volume tells of it", async () => {
    const file = join(checkout, ".state/.pulumi/stacks/omniai", `${stack.name}.json`);
    const kept = `${file}.kept`;
    await docker.getVolume(`omniai-${stack.name}-redis-data`).remove();
    copyFileSync(file, kept);
    rmSync(file);
    const before = await workloads();
    const refused = await stack.run("up", "--yes");
    copyFileSync(kept, file);
    assert.notEqual(refused.code, 0, refused.output);
    assert.match(refused.output, /has containers of a stack .* that this state .* does not know/);
    assert.deepEqual(await workloads(), before);
  });

  describe("whose dumps go off-site", () => {
    interface Listing {
      readonly problems: readonly string[];
      readonly external: boolean;
      readonly backups: readonly { readonly id: string; readonly kind: string; readonly state: string }[];
      readonly copies: readonly unknown[];
    }
    const list = async (): Promise<Listing> => JSON.parse(await done("backup", "list", "--json")) as Listing;
    const own = (): string => `omniai-${stack.name}-backup-data`;

    before(async () => {
      const name = `omniai-test-bucket-${process.pid}`;
      const image = String(defaults["postgresImage"]);
      ({ server: bucket, endpoint } = await BucketServer.createAlone(image, name, await freePort()));
      addToFile({ offsiteBucket: `${endpoint}/${BUCKET}`, offsiteAccessKeyId: ACCESS_KEY });
      setSecret(stack, "omniai:offsiteSecretKey", SECRET_KEY);
      const key = JSON.parse(await done("backup", "key", "--json")) as { readonly key?: string };
      operatorsKey = key.key ?? assert.fail("no key");
      await done("up", "--yes");
      await untilAtRest(stack, 1);
      await done("backup");
    });

    it("has the room, its gate and a volume for the dumps, and nothing else of PostgreSQL", async () => {
      assert.deepEqual(await workloads(), ["backend", "backup", "edge", "offsite"]);
      assert.deepEqual(await dataVolumes(), [own()]);
      const { backups, copies, problems, external } = await list();
      assert.ok(
        backups.length > 0 && backups.every(({ kind, state }) => kind === "dump" && state === "verified"),
      );
      assert.ok(copies.length > 0);
      assert.deepEqual([problems, external], [[], true]);
      assert.equal(await psql("SELECT count(*) FROM pg_replication_slots"), "0");
    });

    it("says so in status, list and doctor, and that there is no moment in between", async () => {
      const status = await done("status");
      assert.match(status, /PostgreSQL is external .* A dump of it is taken here each day/);
      assert.match(status, /newest verified backup .*dumps alone: no log[\s\S]*newest copy off-site/);
      assert.doesNotMatch(status, /s behind/);
      assert.match(await done("backup", "list"), /dumps alone: no log, and no moment in between/);
      const doctor = await stack.run("doctor");
      assert.match(
        doctor.output,
        /external PostgreSQL.*provider's backups .* not seen.*npm run backup -- list/,
      );
      await done("health");
    });

    it("restores a dump beside, and nothing in place of the provider's data", async () => {
      const tables = await psql("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'");
      assert.match(await done("restore", "--latest"), new RegExp(`restores in .*: ${tables} tables`));
      const refused = await stack.run("restore", "--latest", "--replace", "--yes");
      assert.equal(refused.code, 2, refused.output);
      assert.match(refused.output, /its provider's to replace. Nothing was done[\s\S]*Loading a dump/);
      const moment = await stack.run("restore", "--to", new Date(Date.now() - 1000).toISOString());
      assert.equal(moment.code, 1, moment.output);
      assert.match(moment.output, /dumps here and no log/);
    });

    it("gives out a dump that its role loads into an empty database, with which the stack goes on", async () => {
      const [{ id } = assert.fail("no dump")] = (await list()).backups;
      const dump = execFileSync("docker", [
        ...["exec", `omniai-${stack.name}-backup`, "cat", `/backup/dumps/${id}/1.dump`],
      ]);
      await psql("CREATE DATABASE loaded OWNER tenant");
      const into = [
        "pg_restore",
        "--no-owner",
        "--no-acl",
        "--exit-on-error",
        "-h",
        "127.0.0.1",
        "-U",
        "tenant",
      ];
      execFileSync(
        "docker",
        ["exec", "-i", "-e", "PGPASSWORD=test", postgres.name, ...into, "-d", "loaded"],
        {
          input: dump,
        },
      );
      const dumps = (await list()).backups.length;
      const migrations = "SELECT count(*) FROM schema_migrations";
      const before = await psql(migrations);
      await done("maintenance", "on");
      useDatabase("loaded");
      await done("up", "--yes");
      await done("maintenance", "off");
      assert.equal(await psql(migrations), before);
      assert.notEqual(await psql(`${CONNECTED} AND datname = 'loaded'`), "0");
      // PostgreSQL may see a moment later that the replicas before are gone.
      await eventually("the end of the connections before", 60, async () => {
        return (await psql(`${CONNECTED} AND datname = 'shop'`)) === "0";
      });
      await takesAnEvent();
      await untilAtRest(stack, dumps + 1);
      // The copies of the database before are the stack's own as well.
      await done("backup");
      assert.deepEqual((await list()).problems, []);
    });

    it("is rebuilt after the loss of its host, and leaves the provider's data as it is", async () => {
      await psql("CREATE TABLE since AS SELECT 1 AS n");
      await sweep(stack.name);
      fresh = createCheckout();
      const folder = fresh;
      const at = [...["--bucket", `${endpoint}/${BUCKET}`], ...["--access-key-id", ACCESS_KEY]];
      const known = { OMNIAI_OFFSITE_KEY: operatorsKey, OMNIAI_OFFSITE_SECRET_KEY: SECRET_KEY };
      const env = { ...process.env, ...known, NO_COLOR: "1" };
      const run = (command: string, ...args: string[]) =>
        startCommandIn(env, folder, command, "--stack", stack.name, ...args);
      const { code, output } = await run("rebuild", ...at, "--yes").done;
      assert.equal(code, 0, output);
      assert.match(
        output,
        /is rebuilt: PostgreSQL is external \(omniai:database\), and nothing of it was changed/,
      );
      // What the provider has is served from the first moment on.
      assert.doesNotMatch(output, /Maintenance of stack|data is being restored\./);
      stack = {
        ...{ ...stack, checkout: folder },
        ...{ start: run, run: (command, ...args) => run(command, ...args).done },
        remove: async () => {
          await run("down", "--delete-data", "--delete-backups", "--yes").done;
          await sweep(stack.name);
        },
      };
      await takesAnEvent();
      assert.equal(await psql("SELECT count(*) FROM since"), "1");
      // The copies go on where they were: it is the same stack.
      await psql("DROP TABLE since");
      await untilAtRest(stack);
      await done("backup");
    });

    it("leaves the volume with its dumps on the engine where no bucket is named any more", async () => {
      const file = join(stack.checkout, `Pulumi.${stack.name}.yaml`);
      writeFileSync(file, readFileSync(file, "utf8").replace(/^ +omniai:offsiteBucket: .*\n/m, ""));
      await done("up", "--yes");
      assert.deepEqual(await workloads(), ["backend", "edge"]);
      assert.deepEqual(await dataVolumes(), [own()]);
    });
  });
});
