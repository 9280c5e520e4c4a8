/** What Redis, PostgreSQL and the edge are told, as text. */
import { strict as assert } from "node:assert";
import { spawnSync } from "node:child_process";
import { createHash, createHmac, pbkdf2Sync } from "node:crypto";
import fc from "fast-check";
import { renderRedisConfig, renderUsers } from "../components/cache/redis.ts";
import { planSettings } from "../components/database/database.ts";
import { renderProvision } from "../components/database/provision.ts";
import { scramVerifier, stableSalt } from "../components/database/scram.ts";
import { FIRST_RELEASE_SCRIPT, SWITCH_SCRIPT } from "../components/edge/switch.ts";

describe("the edge's scripts", () => {
  for (const [name, script] of Object.entries({ SWITCH_SCRIPT, FIRST_RELEASE_SCRIPT })) {
    it(`${name} is a script that a shell can read`, () => {
      const { status, stderr } = spawnSync("sh", ["-n", "-c", script], { encoding: "utf8" });
      assert.equal(status, 0, stderr);
    });
  }
});

describe("redis", () => {
  it("never evicts, and keeps half of the limit for itself", () => {
    assert.match(renderRedisConfig(128), /^maxmemory 64mb$/m);
    assert.match(renderRedisConfig(128), /^maxmemory-policy noeviction$/m);
    assert.match(renderRedisConfig(128), /^appendonly yes$/m);
    // Sessions, logouts and revocations are acknowledged when Redis answers, so what it answers has to be on disk.
    assert.match(renderRedisConfig(128), /^appendfsync always$/m);
  });

  it("has a hash of the password, never the password", () => {
    const users = renderUsers("a-password");
    assert.doesNotMatch(users, /a-password/);
    assert.ok(users.includes(`#${createHash("sha256").update("a-password").digest("hex")}`));
  });

  it("lets the service at its own keys, with what it needs and no more", () => {
    const rules = (/^user omniai (.*)$/m.exec(renderUsers("x"))?.[1] ?? "").split(" ");
    assert.ok(rules.includes("-@all") && rules.includes("~omniai:*"));
    assert.deepEqual(
      rules.filter((rule) => rule.startsWith("~") || rule.startsWith("&") || rule === "allkeys"),
      ["~omniai:*"],
    );
    for (const command of ["+del", "+sadd", "+incrby", "+xadd"]) assert.ok(rules.includes(command), command);
    for (const command of ["+@all", "+flushall", "+config", "+keys", "+acl", "+debug", "+script"])
      assert.ok(!rules.includes(command), command);
  });

  it("lets nobody in without a name, and keeps the default user's rights for the replay of its own file", () => {
    assert.match(renderUsers("x"), /^user default off resetpass ~\* &\* \+@all$/m);
    assert.match(renderUsers("x"), /^user health on nopass resetkeys resetchannels -@all \+ping$/m);
  });
});

describe("postgres", () => {
  it("loads pg_stat_statements and sizes its buffers by the limit", () => {
    const settings = planSettings(384);
    assert.equal(settings["shared_preload_libraries"], "pg_stat_statements");
    assert.equal(settings["shared_buffers"], "96MB");
  });

  it("quotes names and verifiers", () => {
    const script = renderProvision({ role: 'o"o', database: "d'd", verifier: "v'v" });
    assert.match(script, /"o""o"/);
    assert.match(script, /'d''d'/);
    assert.match(script, /PASSWORD 'v''v'/);
  });

  it("makes a verifier that proves the password and does not hold it", () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, maxLength: 40 }), (password) => {
        const [, iterations, salt, stored, server] =
          /^SCRAM-SHA-256\$(\d+):([^$]+)\$([^:]+):(.+)$/.exec(
            scramVerifier(password, stableSalt("omniai", password)),
          ) ?? [];
        const key = pbkdf2Sync(
          password.normalize("NFKC"),
          Buffer.from(String(salt), "base64"),
          Number(iterations),
          32,
          "sha256",
        );
        const clientKey = createHmac("sha256", key).update("Client Key").digest();
        assert.equal(stored, createHash("sha256").update(clientKey).digest("base64"));
        assert.equal(server, createHmac("sha256", key).update("Server Key").digest("base64"));
      }),
      { numRuns: 20 },
    );
  });
});
