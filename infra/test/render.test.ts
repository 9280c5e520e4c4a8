import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash, createHmac, pbkdf2Sync } from "node:crypto";
import fc from "fast-check";
import { renderRedisConfig, renderUsers } from "../components/cache/redis.ts";
import { planSettings } from "../components/database/database.ts";
import { renderProvision } from "../components/database/provision.ts";
import { scramVerifier, stableSalt } from "../components/database/scram.ts";
import { renderNginx, type EdgeConfig } from "../components/edge/nginx.ts";
import { FIRST_RELEASE_SCRIPT, SWITCH_SCRIPT } from "../components/edge/switch.ts";

const edge: EdgeConfig = {
  upstreams: [{ name: "backend-1-a", address: "172.20.0.3" }, { name: "backend-2-b" }],
  upstreamPort: 8000,
  release: "abc",
  tls: true,
  keepaliveSeconds: 4,
  workerShutdownSeconds: 900,
};

describe("renderNginx", () => {
  it("lists each replica by address and by name, and nothing else", () => {
    assert.deepEqual(
      [...renderNginx(edge).matchAll(/^ +server (\S+)/gm)]
        .map(([, server]) => server)
        .filter((server) => server !== "{"),
      ["172.20.0.3:8000", "backend-1-a:8000", "backend-2-b:8000"],
    );
  });

  it("lets no connection be idle for longer than a reload keeps it", () => {
    assert.match(renderNginx(edge), /keepalive_timeout 4s 3s;\s+keepalive_min_timeout 4s;/);
  });

  it("never repeats a request that was sent", () => {
    assert.doesNotMatch(renderNginx(edge), /non_idempotent/);
  });

  it("tells everybody to come back while there is nothing to send requests to", () => {
    const empty = renderNginx({ ...edge, upstreams: [], tls: false });
    assert.match(empty, /location \/ \{ return 503; \}/);
    assert.doesNotMatch(empty, /proxy_pass|ssl_certificate|upstream backend/);
  });

  it("shows the release only on the loopback inside the container", () => {
    assert.match(renderNginx(edge), /listen 127\.0\.0\.1:8081;[^}]*return 200 "live/);
  });
});

describe("the edge's scripts", () => {
  for (const [name, script] of Object.entries({ SWITCH_SCRIPT, FIRST_RELEASE_SCRIPT })) {
    it(`${name} is a script that a shell can read`, () => {
      const { status, stderr } = spawnSync("sh", ["-n", "-c", script], { encoding: "utf8" });
      assert.equal(status, 0, stderr);
    });
  }
});

describe("redis", () => {
  it("never evicts, and keeps a share of the limit for copy-on-write", () => {
    assert.match(renderRedisConfig(128), /^maxmemory 76mb$/m);
    assert.match(renderRedisConfig(128), /^maxmemory-policy noeviction$/m);
    assert.match(renderRedisConfig(128), /^appendonly yes$/m);
  });

  it("has a hash of the password, never the password", () => {
    const users = renderUsers("a-password");
    assert.doesNotMatch(users, /a-password/);
    assert.ok(users.includes(`#${createHash("sha256").update("a-password").digest("hex")}`));
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
