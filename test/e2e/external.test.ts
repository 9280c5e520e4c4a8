/** A whole stack on a PostgreSQL and a Redis that others run, with certificates of a private authority. */
import { strict as assert } from "node:assert";
import { readFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import {
  certificateFor,
  startTlsPostgres,
  startTlsRedis,
  TlsFiles,
} from "../../service/test/support/tls-servers.ts";
import type { TestServer } from "../../service/test/support/servers.ts";
import { createCheckout, removeCheckout } from "../support/checkout.ts";
import { setSecret } from "../support/stack-secrets.ts";
import { createStack, docker, type TestStack } from "../support/stack.ts";

/** An address of this machine that containers reach as well. */
const ADDRESS =
  Object.values(networkInterfaces())
    .flatMap((all) => all ?? [])
    .find(({ family, internal }) => family === "IPv4" && !internal)?.address ?? "127.0.0.1";

describe("a stack on servers that others run", function () {
  this.timeout(300_000);
  const files = new TlsFiles();
  let checkout: string;
  let stack: TestStack;
  let postgres: TestServer;
  let redis: TestServer;
  const psql = (statement: string): Promise<string> =>
    postgres.exec("psql", "-XqAtU", "postgres", "-d", "shop", "-c", statement);

  before(async () => {
    const authority = readFileSync(await certificateFor(files, "server", [ADDRESS]), "utf8");
    [postgres, redis] = await Promise.all([
      startTlsPostgres(files, "server", ADDRESS),
      startTlsRedis(files, "server", { address: ADDRESS }),
    ]);
    checkout = createCheckout();
    stack = await createStack(checkout, {
      backendReplicas: 1,
      database: "external",
      databaseAuthority: authority,
      redis: "external",
      redisAuthority: authority,
    });
    setSecret(stack, "omniai:databaseSecretUrl", `postgres://tenant:test@${ADDRESS}:${postgres.port}/shop`);
    setSecret(stack, "omniai:redisSecretUrl", `rediss://:test@${ADDRESS}:${redis.port}`);
    const { code, output } = await stack.run("up", "--yes");
    assert.equal(code, 0, output);
  });
  after(async () => {
    await stack?.remove();
    await Promise.all([postgres?.remove(), redis?.remove()]);
    if (checkout !== undefined) removeCheckout(checkout);
    files.remove();
  });

  it("has neither of its own, and migrates and serves by TLS", async () => {
    const all = await stack.containers();
    assert.deepEqual(all.map((name) => name.replace(`omniai-${stack.name}-`, "").replace(/-.*/, "")).sort(), [
      "backend",
      "edge",
    ]);
    const { Volumes } = await docker.listVolumes({
      filters: JSON.stringify({ label: [`io.omniai.stack=${stack.name}`, "io.omniai.data=true"] }),
    });
    assert.deepEqual(Volumes ?? [], []);
    const posted = await fetch(`${stack.http}/api/events`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: '{"type":"hello","data":1}',
    });
    assert.equal(posted.status, 201, await posted.text());
    assert.ok(Number(await psql("SELECT count(*) FROM schema_migrations")) >= 3);
    assert.equal(
      await psql(
        "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = 'tenant'",
      ),
      "t",
    );
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
});
