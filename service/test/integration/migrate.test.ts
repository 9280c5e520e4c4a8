/** Migrations on a real PostgreSQL. */
import { strict as assert } from "node:assert";
import { spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import type { PostgresConfig } from "../../src/platform/env/config.ts";
import type { Migration } from "../../src/migrate/files.ts";
import { migrate, migrateLimits } from "../../src/migrate/run.ts";
import { createLogger } from "../../src/platform/logging.ts";
import { eventually, startInstance, statusOf, testEnvironment } from "../support/instance.ts";
import { testServers } from "../support/servers.ts";

const ENTRY = new URL("../../src/migrate.ts", import.meta.url).pathname;
const logger = createLogger({ level: "silent", replica: "", build: "" });

function migration(version: number, sql: string): Migration {
  return { version, name: `m${version}`, sql, checksum: createHash("sha256").update(sql).digest("hex") };
}

describe("migrate", function () {
  this.timeout(120_000);
  let config: PostgresConfig;
  const opened: pg.Client[] = [];
  /** A database of its own, whose owner may do no more than the service's role. */
  const freshDatabase = async (): Promise<string> => {
    const { postgres } = await testServers();
    const name = `m_${randomBytes(4).toString("hex")}`;
    const psql = (sql: string): Promise<string> =>
      postgres.exec("psql", "-h", "127.0.0.1", "-U", "omniai", "-qc", sql, "omniai");
    await psql(`CREATE ROLE ${name} LOGIN PASSWORD 'test' NOSUPERUSER NOCREATEDB NOCREATEROLE`);
    await psql(`CREATE DATABASE ${name} OWNER ${name}`);
    return name;
  };
  const client = async (): Promise<pg.Client> => {
    const { host, port, user, database, password } = config;
    const made = new pg.Client({ host, port, user, database, password });
    opened.push(made);
    await made.connect();
    return made;
  };
  const names = async (): Promise<string[]> => {
    const { rows } = await (
      await client()
    ).query<{ name: string }>(
      "SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1",
    );
    return rows.map(({ name }) => name);
  };

  beforeEach(async function () {
    this.timeout(120_000);
    const { postgres } = await testServers();
    const name = await freshDatabase();
    config = {
      host: "127.0.0.1",
      port: postgres.port,
      user: name,
      database: name,
      password: "test",
      poolMax: 2,
      sslMode: "disable",
    };
  });
  afterEach(async () => {
    for (const each of opened.splice(0)) await each.end();
  });

  const runEntry = async (
    extra: Record<string, string>,
  ): Promise<{ code: number; lines: Record<string, unknown>[] }> => {
    const env = { PATH: process.env.PATH ?? "", ...(await testEnvironment(extra)) };
    const child = spawn(process.execPath, [ENTRY], { env, stdio: ["ignore", "pipe", "inherit"] });
    let text = "";
    child.stdout.setEncoding("utf8").on("data", (part: string) => (text += part));
    const [code] = (await once(child, "close")) as [number];
    const lines = text
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    return { code, lines };
  };

  it("as a command brings an empty database up to date, and does nothing the second time", async () => {
    const place = { PGUSER: config.user, PGDATABASE: config.database };
    const first = await runEntry(place);
    assert.equal(first.code, 0);
    assert.deepEqual(first.lines.at(-1)?.applied, [
      "0001_client_reports",
      "0002_auth",
      "0003_uptime",
      "0004_web_push",
    ]);
    assert.ok((await names()).includes("client_reports"));
    const second = await runEntry(place);
    assert.deepEqual([second.code, second.lines.at(-1)?.applied], [0, []]);
  });

  it("as a command exits 1 with the reason, and without the password", async () => {
    const { code, lines } = await runEntry({ PGUSER: config.user, PGDATABASE: "nowhere" });
    assert.equal(code, 1);
    assert.match(
      String(lines.at(-1)?.reason),
      /no connection to PostgreSQL as .*database "nowhere" does not exist/,
    );
    assert.equal((await runEntry({ PGPORT: "none" })).code, 1);
  });

  it("leaves the database as it was when one fails, says where, and keeps those before it", async () => {
    const list = [
      migration(1, "CREATE TABLE one (id int)"),
      migration(
        2,
        "CREATE TABLE two (id int); INSERT INTO one VALUES (1); CREATE TABLE broken (id nosuchtype)",
      ),
    ];
    await assert.rejects(
      migrate(config, list, logger),
      /0002_m2 failed: type "nosuchtype" does not exist.*42704/,
    );
    assert.deepEqual(await names(), ["one", "schema_migrations"]);
    const { rows } = await (await client()).query("SELECT * FROM one");
    assert.equal(rows.length, 0);
    const mended = [list[0] as Migration, migration(2, "CREATE TABLE two (id int)")];
    assert.deepEqual(await migrate(config, mended, logger), ["0002_m2"]);
  });

  it("refuses one that was changed after it was applied", async () => {
    await migrate(config, [migration(1, "CREATE TABLE one (id int)")], logger);
    await assert.rejects(
      migrate(config, [migration(1, "CREATE TABLE uno (id int)")], logger),
      /0001_m1 was changed after it was applied/,
    );
    assert.deepEqual(await names(), ["one", "schema_migrations"]);
  });

  it("says so when one ended its transaction", async () => {
    await assert.rejects(
      migrate(config, [migration(1, "CREATE TABLE one (id int); COMMIT; CREATE TABLE two (id int)")], logger),
      /ended its transaction/,
    );
  });

  it("lets a second runner wait for the first, and each migration run once", async () => {
    // Without the lock, both would create the table, and one of them would fail.
    const list = [1, 2, 3].map((version) =>
      migration(version, `SELECT pg_sleep(0.3); CREATE TABLE t${version} (id int)`),
    );
    const done = await Promise.all([1, 2, 3].map(() => migrate(config, list, logger)));
    assert.deepEqual(done.flat().sort(), ["0001_m1", "0002_m2", "0003_m3"]);
  });

  it("gives up when another runner takes too long", async () => {
    const list = [
      migration(
        1,
        `DO $$ BEGIN
           WHILE NOT EXISTS (SELECT FROM pg_class WHERE relname = 'may_end') LOOP PERFORM pg_sleep(0.02); END LOOP;
         END $$`,
      ),
    ];
    const observer = await client();
    const patient = { ...migrateLimits, statementMs: 50_000, transactionMs: 50_000 };
    const slow = migrate(config, list, logger, patient);
    await eventually("it has the lock", async () => {
      const { rowCount } = await observer.query(
        `SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted
           AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
      );
      return rowCount === 1;
    });
    await assert.rejects(
      migrate(config, list, logger, { ...patient, waitMs: 300 }),
      /another runner is still migrating/,
    );
    await observer.query("CREATE TABLE may_end ()");
    assert.deepEqual(await slow, ["0001_m1"]);
  });

  it("does not let the queries of old replicas wait behind a lock that it cannot get", async () => {
    await migrate(config, [migration(1, "CREATE TABLE busy (id int)")], logger);
    const [holder, reader] = [await client(), await client()];
    await holder.query("BEGIN; SELECT * FROM busy");
    const list = [
      migration(1, "CREATE TABLE busy (id int)"),
      migration(2, "ALTER TABLE busy ADD COLUMN more int"),
    ];
    const limits = { ...migrateLimits, lockMs: 200, lockRetries: 1000 };
    const running = migrate(config, list, logger, limits);
    let longest = 0;
    const began = Date.now();
    // Some of its tries, and until one has stood in the way.
    for (; Date.now() - began < 1200 || (longest <= 50 && Date.now() - began < 20_000); await sleep(10)) {
      const started = performance.now();
      await reader.query("SELECT * FROM busy");
      longest = Math.max(longest, performance.now() - started);
    }
    assert.ok(longest > 50, "the migration never stood in the way: this test shows nothing");
    // Without a limit it would wait until the holder is done. A busy machine adds to it.
    assert.ok(longest < 200 + 5000, `a query waited ${longest} ms`);
    await holder.query("COMMIT");
    assert.deepEqual(await running, ["0002_m2"]);
  });

  it("gives up at last when the lock never comes, and changes nothing", async () => {
    await migrate(config, [migration(1, "CREATE TABLE busy (id int)")], logger);
    const holder = await client();
    await holder.query("BEGIN; SELECT * FROM busy");
    const list = [
      migration(1, "CREATE TABLE busy (id int)"),
      migration(2, "ALTER TABLE busy ADD COLUMN more int"),
    ];
    await assert.rejects(
      migrate(config, list, logger, { ...migrateLimits, lockMs: 50, lockRetries: 2 }),
      /lock timeout/,
    );
    await holder.query("COMMIT");
  });

  it("ends a statement, and a migration, that take too long", async () => {
    const limits = { ...migrateLimits, statementMs: 200, transactionMs: 500 };
    await assert.rejects(
      migrate(config, [migration(1, "SELECT pg_sleep(3)")], logger, limits),
      /statement timeout/,
    );
    const steps = Array.from({ length: 200 }, () => "SELECT pg_sleep(0.1)").join(";");
    const started = Date.now();
    await assert.rejects(
      migrate(config, [migration(1, `CREATE TABLE one (id int); ${steps}`)], logger, {
        ...limits,
        statementMs: 5000,
      }),
    );
    assert.ok(Date.now() - started < 10_000, `${Date.now() - started} ms`);
    assert.deepEqual(await names(), []);
  });

  it("makes a replica ready, and only when nothing is missing", async () => {
    const instance = await startInstance(
      { PGUSER: config.user, PGDATABASE: config.database },
      { waits: false },
    );
    try {
      const ready = (): Promise<number> => statusOf(`${instance.internalUrl}/readyz`);
      const check = async (): Promise<{ status: string; time: string; output?: string } | undefined> => {
        const body = (await (await fetch(`${instance.internalUrl}/readyz`)).json()) as {
          checks: Record<string, { status: string; time: string; output?: string }[]>;
        };
        return body.checks["migrations:pending"]?.[0];
      };
      await eventually("the check says why", async () =>
        /not applied: 0001_client_reports/.test((await check())?.output ?? ""),
      );
      await sleep(1000);
      assert.equal(await ready(), 503);
      assert.equal(await statusOf(`${instance.url}/healthz`), 200);
      assert.equal((await runEntry({ PGUSER: config.user, PGDATABASE: config.database })).code, 0);
      await eventually("ready", async () => (await ready()) === 200);
      // What a newer build applied while this one still serves is no reason to leave.
      const one = await client();
      await one.query("INSERT INTO schema_migrations VALUES (99, 'newer', 'x', now(), 1)");
      // The last one from before it, one that may have begun before it, and one that has seen it.
      const checked = new Set<string | undefined>();
      await eventually("a check of it", async () => checked.add((await check())?.time).size > 2);
      // A busy machine may be late with one.
      await eventually(
        "it passes",
        async () => (await check())?.status === "pass" && (await ready()) === 200,
      );
      await one.query("UPDATE schema_migrations SET checksum = 'y' WHERE version = 1");
      await eventually("changed", async () => (await ready()) === 503);
    } finally {
      await instance.stop();
    }
  });
});
