/** What PostgreSQL writes of a request's statements names the request, and each is one statement for it all the same. */
import { strict as assert } from "node:assert";
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { promisify } from "node:util";
import { environmentOf, startPostgres, type TestServer } from "../support/servers.ts";
import { holdTable, isHeld } from "../support/held-table.ts";
import { ANSWER_MS } from "../../src/platform/postgres.ts";
import { eventually, startInstance, whileItHolds, type Instance } from "../support/instance.ts";

/** From here on the server finds a statement slow. */
const SLOW_MS = 200;
/** What the requests write to. */
const TABLE = "client_reports";

describe("the statements of a request", function () {
  this.timeout(120_000);
  let postgres: TestServer;
  let instance: Instance;
  const sql = (text: string): Promise<string> => postgres.exec("psql", "-U", "omniai", "-Atc", text);
  const ask = (requestId: string, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(`${instance.url}/api/diag/client-reports`, {
      method: "POST",
      headers: { "content-type": "application/json", "x-request-id": requestId, ...headers },
      body: JSON.stringify({ client: "named-statements" }),
    });
  const newId = (): string => `named-${randomBytes(6).toString("hex")}`;

  before(async function () {
    this.timeout(120_000);
    postgres = await startPostgres();
    await sql("CREATE EXTENSION IF NOT EXISTS pg_stat_statements");
    await sql(`ALTER SYSTEM SET log_min_duration_statement = '${SLOW_MS}ms'`);
    await sql("SELECT pg_reload_conf()");
    instance = await startInstance(environmentOf(postgres));
  });
  after(async () => {
    await instance?.stop();
    await postgres?.remove();
  });

  /** The server writes its log to standard error. */
  const lines = async (): Promise<string[]> =>
    (await promisify(execFile)("docker", ["logs", postgres.name])).stderr.split("\n");

  it("are found by its id, and that of its trace, in the line that PostgreSQL writes of a slow one", async () => {
    // No request waits for PostgreSQL for longer, and this one has to wait for a part of that.
    const [id, trace] = await whileItHolds(ANSWER_MS, async () => {
      const [its, way] = [newId(), randomBytes(16).toString("hex")];
      const holding = sql(holdTable(TABLE, SLOW_MS + 100));
      try {
        await eventually("the lock", async () => (await sql(isHeld(TABLE))) === "t");
        const { status } = await ask(its, { traceparent: `00-${way}-${randomBytes(8).toString("hex")}-01` });
        assert.equal(status, 202);
      } finally {
        await holding;
      }
      return [its, way];
    });
    await eventually("the line", async () =>
      (await lines()).some((line) => /duration: \d/.test(line) && line.includes(id) && line.includes(trace)),
    );
  });

  it("are one statement in the server's statistics, whoever asked", async () => {
    const seen = (): Promise<string> =>
      sql("SELECT count(*), sum(calls) FROM pg_stat_statements WHERE query ~* 'insert into client_reports'");
    // The same: what was answered 503 may be in the statistics, or not.
    await whileItHolds(ANSWER_MS, async () => {
      await sql("SELECT pg_stat_statements_reset()");
      for (let n = 0; n < 5; n += 1) assert.equal((await ask(newId())).status, 202);
      assert.equal(await seen(), "1|5");
    });
    const utility = "SELECT count(*) FROM pg_stat_statements WHERE query ~* '(BEGIN|COMMIT)$'";
    assert.ok(Number(await sql(utility)) <= 2, await sql("SELECT query FROM pg_stat_statements"));
  });
});
