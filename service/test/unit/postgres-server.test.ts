/** PGlite behind a port. */
import { strict as assert } from "node:assert";
import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { PostgresServer } from "../../dev/postgres-server.ts";
import { connectionOf } from "../../src/platform/postgres.ts";

describe("PostgreSQL of npm run dev", function () {
  this.timeout(60_000);
  const folder = mkdtempSync(join(tmpdir(), "omniai-pglite-"));
  let server: PostgresServer;
  let pool: pg.Pool;
  const start = async (): Promise<void> => {
    server = await PostgresServer.start(folder);
    // Without the service's deadlines: many wait for a connection here, on a busy machine for long.
    pool = new pg.Pool({ ...connectionOf(server.config), max: server.config.poolMax });
  };
  const count = async (): Promise<number> =>
    (await pool.query<{ count: number }>("SELECT count(*)::int AS count FROM t")).rows[0]?.count ?? -1;

  before(async () => {
    await start();
    await pool.query("CREATE TABLE t (n int PRIMARY KEY, body jsonb)");
  });
  after(async () => {
    await pool.end();
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it("runs the statements of many connections, each whole, whatever goes wrong in between", async () => {
    const text = "x".repeat(30_000);
    const results = await Promise.allSettled(
      Array.from({ length: 60 }, (_, n) =>
        n % 3 === 0
          ? pool.query("SELECT $1::int / 0", [n])
          : pool.query("INSERT INTO t (n, body) VALUES ($1, $2)", [n, JSON.stringify({ text })]),
      ),
    );
    const messages = results.map((each) => (each.status === "rejected" ? String(each.reason) : "inserted"));
    assert.deepEqual(new Set(messages), new Set(["error: division by zero", "inserted"]));
    assert.equal(await count(), 40);
  });

  it("keeps a transaction to its connection, and undoes it when that is lost", async () => {
    const before = await count();
    const client = await pool.connect();
    await client.query("BEGIN");
    await client.query("INSERT INTO t VALUES (1000)");
    let isAnswered = false;
    const other = count().finally(() => (isAnswered = true));
    await client.query("SELECT pg_sleep(0.2)");
    assert.equal(isAnswered, false, "others wait for the end of a transaction");
    client.release(true);
    assert.equal(await other, before);
    const again = await pool.connect();
    await again.query("BEGIN");
    await again.query("INSERT INTO t VALUES (1001)");
    await again.query("COMMIT");
    again.release();
    assert.equal(await count(), before + 1);
  });

  it("hangs up on another protocol than PostgreSQL's, and serves on", async () => {
    const socket = connect(server.config.port, "127.0.0.1");
    socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    await new Promise((resolve) => socket.once("close", resolve));
    assert.ok((await count()) > 0);
  });

  it("has its data after a restart", async () => {
    const before = await count();
    await pool.end();
    await server.stop();
    await start();
    assert.equal(await count(), before);
  });
});
