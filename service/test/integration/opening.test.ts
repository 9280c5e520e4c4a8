/** When the public port opens. */
import { strict as assert } from "node:assert";
import { once } from "node:events";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { loadConfig } from "../../src/platform/env/config.ts";
import { createLogger } from "../../src/platform/logging.ts";
import { startService, type Service } from "../../src/service.ts";
import { eventually, statusOf, testEnvironment } from "../support/instance.ts";
import { freePort } from "../../../tools/host/free-port.ts";
import { startPostgres, testServers, environmentOf, type TestServer } from "../support/servers.ts";

describe("the public port", function () {
  this.timeout(120_000);
  let postgres: TestServer;
  let service: Service;
  let port: number;
  const isOpen = async (): Promise<boolean> => {
    const socket = connect(port, "127.0.0.1");
    // `once` rejects for "error", which is what a port that is not open gives.
    const outcome = await once(socket, "connect").then(
      () => true,
      () => false,
    );
    socket.destroy();
    return outcome;
  };

  before(async function () {
    this.timeout(120_000);
    await testServers();
    // One of its own: others need theirs.
    postgres = await startPostgres();
    port = await freePort();
  });
  after(async () => {
    await service?.stop();
    await postgres?.remove();
  });

  it("opens when the replica is ready for the first time, and not before; then it stays open", async () => {
    const environment = await testEnvironment({ ...environmentOf(postgres), OMNIAI_PORT: String(port) });
    const config = loadConfig(environment);
    await postgres.pause();
    service = await startService(config, createLogger({ level: "silent", replica: "r", build: "b" }));
    const internal = `http://127.0.0.1:${service.internalPort}`;
    try {
      assert.equal(await statusOf(`${internal}/healthz`), 200);
      await sleep(1500);
      assert.deepEqual([await statusOf(`${internal}/readyz`), service.port], [503, 0]);
      assert.equal(await isOpen(), false);
    } finally {
      await postgres.unpause();
    }
    assert.equal(await service.opened, port);
    assert.equal(await isOpen(), true);
    assert.equal(await statusOf(`${internal}/startupz`), 200);
    await postgres.pause();
    try {
      await eventually("not ready", async () => (await statusOf(`${internal}/readyz`)) === 503);
      assert.equal(await statusOf(`http://127.0.0.1:${port}/healthz`), 200);
    } finally {
      await postgres.unpause();
    }
  });

  it("never opens for a replica that is stopped before it was ready", async () => {
    await postgres.pause();
    try {
      const config = loadConfig(await testEnvironment(environmentOf(postgres)));
      const early = await startService(config, createLogger({ level: "silent", replica: "r", build: "b" }));
      let isOpened = false;
      void early.opened.then(() => (isOpened = true));
      await early.stop();
      await sleep(100);
      assert.deepEqual([early.port, isOpened], [0, false]);
    } finally {
      await postgres.unpause();
    }
  });

  it("rejects for whoever waits when the port is taken", async () => {
    const config = loadConfig(
      await testEnvironment({ ...environmentOf(postgres), OMNIAI_PORT: String(port) }),
    );
    const second = await startService(config, createLogger({ level: "silent", replica: "r", build: "b" }));
    await assert.rejects(second.opened, /EADDRINUSE/);
    await second.stop();
  });
});
