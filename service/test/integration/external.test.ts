/** PostgreSQL and Redis that others run: reached by TLS alone, and only where the certificate says that they are it. */
import { strict as assert } from "node:assert";
import { pino } from "pino";
import { loadConfig } from "../../src/platform/env/config.ts";
import { loadMigrations } from "../../src/migrate/files.ts";
import { migrate } from "../../src/migrate/run.ts";
import { createPool, queryWithin } from "../../src/platform/postgres.ts";
import { eventually, post, startInstance, type Instance } from "../support/instance.ts";
import { SseClient } from "../support/sse.ts";
import { testServers, type TestServer } from "../support/servers.ts";
import {
  certificateFor,
  postgresVariables,
  redisVariables,
  startTlsPostgres,
  startTlsRedis,
  TlsFiles,
} from "../support/tls-servers.ts";

const silent = pino({ level: "silent" });

describe("servers outside of the stack", function () {
  this.timeout(120_000);
  const files = new TlsFiles();
  /** The authority of both servers, and one that has signed neither. */
  let authority: string;
  let foreign: string;
  let postgres: TestServer;
  let redis: TestServer;
  const started: Instance[] = [];

  const variables = (more: Record<string, string> = {}): Record<string, string> => ({
    ...postgresVariables(postgres),
    ...redisVariables(redis),
    PGSSLROOTCERT: authority,
    OMNIAI_REDIS_AUTHORITY_FILE: authority,
    ...more,
  });
  const start = async (
    more: Record<string, string>,
    options: Parameters<typeof startInstance>[1] = {},
  ): Promise<Instance> => {
    const instance = await startInstance(variables(more), options);
    started.push(instance);
    return instance;
  };
  /** Waits until a check of a replica fails with these words; the first look may be before the first connection. */
  const fails = async ({ internalUrl }: Instance, check: string, words: RegExp): Promise<void> => {
    let last = "";
    const hasSaid = async (): Promise<boolean> => {
      const { checks } = (await (await fetch(`${internalUrl}/readyz`)).json()) as {
        checks?: Record<string, { status: string; output?: string }[]>;
      };
      const [found] = checks?.[check] ?? [];
      last = `${found?.status}: ${found?.output}`;
      return found?.status === "fail" && words.test(last);
    };
    await eventually(check, hasSaid).catch(() => assert.match(last, words));
  };

  before(async function () {
    this.timeout(120_000);
    authority = await certificateFor(files, "server", ["localhost"]);
    foreign = await certificateFor(files, "foreign", ["localhost"]);
    [postgres, redis] = await Promise.all([
      startTlsPostgres(files, "server"),
      startTlsRedis(files, "server"),
    ]);
  });
  afterEach(async () => {
    for (const each of started.splice(0)) await each.stop();
  });
  after(async () => {
    await Promise.all([postgres?.remove(), redis?.remove()]);
    files.remove();
  });

  const migrateWith = (more: Record<string, string> = {}): Promise<readonly string[]> =>
    migrate(loadConfig(variables(more)).postgres, loadMigrations(), silent);

  it("are migrated by a role that owns its database and is nothing more, by TLS", async () => {
    assert.equal((await migrateWith()).length, loadMigrations().length);
    assert.deepEqual(await migrateWith(), []);
    const pool = createPool(loadConfig(variables()).postgres, "test", silent);
    try {
      const rows = await queryWithin<{ ssl: boolean; version: string }>(
        pool,
        5000,
        "SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()",
      );
      assert.equal(rows[0]?.ssl, true);
      assert.match(rows[0]?.version ?? "", /^TLSv1\.[23]$/);
    } finally {
      await pool.end();
    }
  });

  it("serve: a replica gets ready, takes an event that is on disk there, and delivers it", async () => {
    await migrateWith();
    const instance = await start({});
    const client = await new SseClient(`${instance.url}/api/events`).joined();
    try {
      const { status, id } = await post(instance, { type: "order", data: { n: 1 } });
      assert.equal(status, 201);
      await client.until("the event", ({ published }) => published.length > 0);
      assert.equal(client.published[0]?.id, id);
    } finally {
      client.close();
    }
    const { checks } = (await (await fetch(`${instance.internalUrl}/readyz`)).json()) as {
      checks: Record<string, { status: string }[]>;
    };
    assert.equal(checks["redis:settings"]?.[0]?.status, "pass");
  });

  it("end a migration at once, and say what to do, where nobody trusted has signed the certificate", async () => {
    const began = performance.now();
    await assert.rejects(
      migrateWith({ PGSSLROOTCERT: foreign }),
      /no connection to PostgreSQL as tenant@localhost:\d+\/shop: .*no authority that is trusted.*omniai:databaseAuthority/,
    );
    await assert.rejects(
      migrateWith({ PGSSLROOTCERT: "" }),
      /omniai:databaseAuthority/,
      "Node's own authorities",
    );
    // For a server that is only away it waits for a minute.
    assert.ok(performance.now() - began < 30_000);
  });

  it("end a migration where the certificate is for another name", async () => {
    await assert.rejects(
      migrateWith({ PGHOST: "127.0.0.1" }),
      /for another name; put a name that the certificate has into the address/,
    );
  });

  it("end a migration where the server has no TLS", async () => {
    const { postgres: plain } = await testServers();
    await assert.rejects(
      migrateWith({ PGPORT: String(plain.port) }),
      /does not support SSL connections: turn TLS on at the server: nothing is sent to it in the clear/,
    );
  });

  it("leave a replica alive and not ready, which says what to do, where a certificate is refused", async () => {
    const untrusted = await start(
      { PGSSLROOTCERT: foreign, OMNIAI_REDIS_AUTHORITY_FILE: foreign },
      { waits: false },
    );
    await fails(untrusted, "database:responseTime", /omniai:databaseAuthority/);
    await fails(untrusted, "redis:responseTime", /omniai:redisAuthority/);
    assert.equal((await fetch(`${untrusted.internalUrl}/healthz`)).status, 200);
    const misnamed = await start(
      { ...redisVariables(redis, "127.0.0.1"), ...postgresVariables(postgres, "127.0.0.1") },
      { waits: false },
    );
    await fails(misnamed, "database:responseTime", /for another name/);
    await fails(misnamed, "redis:responseTime", /for another name/);
  });

  it("keep a replica from getting ready where Redis would lose or evict what it acknowledged", async () => {
    await migrateWith();
    const settings = ["--appendonly", "no", "--maxmemory-policy", "allkeys-lru"];
    const lossy = await startTlsRedis(files, "server", { settings });
    try {
      const instance = await start(redisVariables(lossy), { waits: false });
      await fails(instance, "redis:settings", /set appendonly yes.*aof_enabled:0/);
      await fails(instance, "redis:settings", /set maxmemory-policy noeviction.*allkeys-lru/);
    } finally {
      await lossy.remove();
    }
  });
});
