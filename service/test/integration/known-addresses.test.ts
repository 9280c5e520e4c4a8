/** The addresses that replicas remember together. */
import { strict as assert } from "node:assert";
import { KnownAddresses } from "../../src/auth/known-addresses.ts";
import { loadConfig } from "../../src/platform/env/config.ts";
import { createLogger } from "../../src/platform/logging.ts";
import { RedisLink } from "../../src/platform/redis.ts";
import { eventually, testEnvironment } from "../support/instance.ts";

describe("KnownAddresses of two replicas", () => {
  const links: RedisLink[] = [];
  const replicas: KnownAddresses[] = [];

  before(async function () {
    this.timeout(120_000);
    const { redis } = loadConfig(await testEnvironment());
    const logger = createLogger({ level: "silent", replica: "test", build: "test" });
    for (const name of ["one", "two"]) {
      const link = new RedisLink(redis, name, logger, { idleMs: 10_000, isPinging: true });
      link.open();
      links.push(link);
      replicas.push(new KnownAddresses(link));
    }
    await eventually("both are connected", () => links.every(({ isReady }) => isReady));
  });
  after(() => links.forEach((link) => link.close()));

  it("keep every address of logins at the same time, and of more than ten the newest", async function () {
    // On a busy machine a command may take longer than a login waits for it; then nothing is kept, as it should be.
    this.retries(3);
    const name = `ada-${Math.random()}`;
    const addresses = Array.from({ length: 10 }, (_, n) => `192.0.2.${n}`);
    const at = (n: number): KnownAddresses => replicas[n % 2] ?? assert.fail();
    const known = (): Promise<boolean[]> =>
      Promise.all(addresses.map((address, n) => at(n).has(name, address)));
    await Promise.all(addresses.map((address, n) => at(n).add(name, address)));
    assert.deepEqual(await known(), Array<boolean>(10).fill(true));
    // Once more: it takes no second place, and is the newest.
    await replicas[0]?.add(name, "192.0.2.0");
    for (let n = 100; n < 109; n++) await replicas[1]?.add(name, `192.0.2.${n}`);
    assert.deepEqual(await known(), [true, ...Array<boolean>(9).fill(false)]);
  });
});
