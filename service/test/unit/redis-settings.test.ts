/** What is asked of a Redis that others run. */
import { strict as assert } from "node:assert";
import { redisSettingsCheck, refusalsOf } from "../../src/health/redis-settings.ts";

const GOOD =
  "# Memory\r\nmaxmemory_policy:noeviction\r\n# Persistence\r\naof_enabled:1\r\n# Cluster\r\ncluster_enabled:0\r\n";

/** A link whose server answers as a case says. @param appendfsync undefined where the user may not ask */
function linkTo(answer: { info: string; appendfsync?: string }) {
  const client = {
    info: () => Promise.resolve(answer.info),
    configGet: () =>
      answer.appendfsync === undefined
        ? Promise.reject(new Error("NOPERM"))
        : Promise.resolve({ appendfsync: answer.appendfsync }),
  };
  return {
    run: (_ms: number, command: (to: never) => Promise<unknown>) => command(client as never),
  } as never;
}

function listener() {
  const said: string[] = [];
  const tell = (level: string) => (_: unknown, message: string) => void said.push(`${level}: ${message}`);
  return { said, logger: { info: tell("info"), warn: tell("warn") } as never };
}

describe("the settings of a Redis that others run", () => {
  it("are right, or each is named with what it means and what to set", () => {
    assert.deepEqual(refusalsOf(GOOD), []);
    assert.match(refusalsOf(GOOD.replace("aof_enabled:1", "aof_enabled:0"))[0] ?? "", /set appendonly yes/);
    assert.match(
      refusalsOf(GOOD.replace("noeviction", "volatile-lru"))[0] ?? "",
      /set maxmemory-policy noeviction \(it is maxmemory_policy:volatile-lru\)/,
    );
    assert.match(
      refusalsOf(GOOD.replace("cluster_enabled:0", "cluster_enabled:1"))[0] ?? "",
      /cluster mode off/,
    );
  });

  it("are not judged where the provider does not show them", () => {
    assert.deepEqual(refusalsOf("# Server\r\nredis_version:8.0.0\r\n"), []);
  });

  it("fail until they were right once, and only warn afterwards", async () => {
    const answer = { info: GOOD.replace("noeviction", "allkeys-lru"), appendfsync: "always" };
    const check = redisSettingsCheck(linkTo(answer), 1000, listener().logger);
    assert.equal((await check.run()).status, "fail");
    answer.info = GOOD;
    assert.deepEqual(await check.run(), { value: 0, unit: "settings" });
    answer.info = GOOD.replace("noeviction", "allkeys-lru");
    const changed = await check.run();
    assert.equal(changed.status, "warn");
    assert.match(changed.note ?? "", /allkeys-lru/);
  });

  it("are told once where appendfsync is another one, or is not shown", async () => {
    for (const [appendfsync, says] of [
      ["always", []],
      ["everysec", [/^warn: Redis has not appendfsync always.*logouts and revocations/]],
      [undefined, [/^info: Redis does not say its appendfsync/]],
    ] as const) {
      const { said, logger } = listener();
      const check = redisSettingsCheck(linkTo({ info: GOOD, appendfsync }), 1000, logger);
      for (let n = 0; n < 3; n++) assert.equal((await check.run()).status, undefined);
      assert.equal(said.length, says.length, said.join("\n"));
      says.forEach((words, index) => assert.match(said[index] ?? "", words));
    }
  });
});
