/** A whole stack on a PostgreSQL and a Redis that others run, with certificates of a private authority. */
import { strict as assert } from "node:assert";
import { copyFileSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
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
  let authority: string;
  const psql = (statement: string): Promise<string> =>
    postgres.exec("psql", "-XqAtU", "postgres", "-d", "shop", "-c", statement);

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
    setSecret(stack, "omniai:databaseSecretUrl", `postgres://tenant:test@${ADDRESS}:${postgres.port}/shop`);
    const { code, output } = await stack.run("up", "--yes");
    assert.equal(code, 0, output);
  });
  after(async () => {
    await stack?.remove();
    await Promise.all([postgres?.remove(), redis?.remove()]);
    if (checkout !== undefined) removeCheckout(checkout);
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
  const takesAnEvent = async (): Promise<void> => {
    const posted = await fetch(`${stack.http}/api/events`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: '{"type":"hello","data":1}',
    });
    assert.equal(posted.status, 201, await posted.text());
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
});
