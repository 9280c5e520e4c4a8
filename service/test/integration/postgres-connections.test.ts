/** Connections to PostgreSQL that are lost, as all are when it crashes. */
import { strict as assert } from "node:assert";
import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import { transactionWithin } from "../../src/platform/postgres.ts";
import { testPool } from "../support/auth.ts";
import { poolOf } from "../support/pool.ts";
import { testServers } from "../support/servers.ts";
import { eventually } from "../support/wait.ts";

describe("a connection to PostgreSQL that is lost", function () {
  let pool: pg.Pool;
  before(async function () {
    this.timeout(120_000);
    await testServers();
    pool = await poolOf(1);
  });
  after(() => pool?.end());

  const pidOf = async (client: pg.Pool | pg.PoolClient): Promise<number> =>
    (await client.query<{ pid: number }>("SELECT pg_backend_pid() AS pid")).rows[0]?.pid ?? -1;
  const lose = async (pid: number): Promise<void> => {
    await (await testPool()).query("SELECT pg_terminate_backend($1, 5000)", [pid]);
    // Whoever is told of it is told by now.
    await sleep(200);
  };
  // An error that nobody listens to would end a replica, and fails the test that is under way here.
  const goesOn = async (): Promise<void> => assert.ok((await pidOf(pool)) > 0);

  it("in the midst of a transaction, between two queries: the next one fails, the process goes on", async () => {
    const work = async (client: pg.PoolClient): Promise<void> => {
      await lose(await pidOf(client));
      await client.query("SELECT 1");
    };
    await assert.rejects(transactionWithin(pool, 45_000, work), /not queryable|terminat/);
    await goesOn();
  });

  it("while it is asked: the query fails, the process goes on", async () => {
    const work = async (client: pg.PoolClient): Promise<void> => {
      const pid = await pidOf(client);
      const asked = assert.rejects(client.query("SELECT pg_sleep(40)"), /terminat/);
      await lose(pid);
      await asked;
    };
    await assert.rejects(transactionWithin(pool, 45_000, work), /not queryable|terminat/);
    await goesOn();
  });

  it("while nobody uses it: the process goes on", async () => {
    await lose(await pidOf(pool));
    await eventually("the pool has noticed", () => pool.totalCount === 0);
    await goesOn();
  });
});
