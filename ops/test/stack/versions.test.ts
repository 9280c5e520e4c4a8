/** The versions that a rollback can go back to. */
import { strict as assert } from "node:assert";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { BUILD_VARIABLE } from "../../../infra/components/backend/image.ts";
import type { Change, Result } from "../../stack/audit.ts";
import { withoutBuild, type Session } from "../../stack/session.ts";
import {
  configChanges,
  goodVersions,
  KEPT_VERSIONS,
  lastGood,
  obsoleteBuilds,
  rolledBackTo,
} from "../../stack/versions.ts";
import { onPresentHost, useVersion } from "../../stack/use-version.ts";
import { change } from "../support/changes.ts";

describe("versions to go back to", () => {
  const builds = (changes: readonly Change[]): string[] => goodVersions(changes).map(({ build }) => build);

  it("are those that were good, the newest first, each once", () => {
    const changes = [
      change("up", "a"),
      change("up", "b"),
      change("up", "c", "failed"),
      change("rollback", "a"),
    ];
    assert.deepEqual(builds(changes), ["a", "b"]);
    assert.equal(rolledBackTo(changes)?.build, "a");
    assert.equal(rolledBackTo([...changes, change("restart", "a")])?.build, "a");
    assert.equal(rolledBackTo([...changes, change("up", "d")]), undefined);
  });

  it("are, without a name, the one before, or the one that still serves when a deploy failed", () => {
    const good = [change("up", "a"), change("up", "b")];
    assert.equal(lastGood(good)?.build, "a");
    assert.equal(lastGood([...good, change("maintenance", "on")])?.build, "a");
    assert.equal(lastGood([...good, change("restart", "b")])?.build, "a");
    for (const result of ["failed", "interrupted", "killed"] as const)
      assert.equal(lastGood([...good, change("up", "c", result)])?.build, "b", result);
    assert.equal(lastGood([...good, change("up", undefined, "failed")])?.build, "a", "it deployed nothing");
    assert.equal(lastGood([...good, change("down", undefined)])?.build, "b");
    assert.equal(lastGood([change("up", "a")]), undefined);
  });

  it("keep a bounded number of images, and no image that another stack keeps is removed", () => {
    const one = fc.tuple(
      fc.constantFrom("up", "rollback", "restart"),
      fc.constantFrom(..."abcdefghijkl"),
      fc.constantFrom<Result>("succeeded", "failed"),
    );
    const history = fc.array(one, { maxLength: 30 }).map((list) => list.map((entry) => change(...entry)));
    fc.assert(
      fc.property(history, history, (own, other) => {
        const gone = new Set(obsoleteBuilds(own, [own, other]));
        for (const changes of [own, other])
          for (const build of builds(changes).slice(0, KEPT_VERSIONS)) assert.ok(!gone.has(build), build);
        const left = new Set(
          own.map(({ to }) => to).filter((build) => build !== undefined && !gone.has(build)),
        );
        assert.ok(left.size <= 2 * KEPT_VERSIONS);
      }),
    );
  });

  it("name the keys of the config that differ", () => {
    assert.deepEqual(
      configChanges({ "omniai:logLevel": "debug", a: [1] }, { a: [1], "omniai:httpPort": 1 }),
      ["omniai:httpPort (default) → 1", 'omniai:logLevel "debug" → (default)'],
    );
  });
});

describe("a version that is deployed in place of the sources", () => {
  it("is named to the program by the session's own variables and a stack file, not by this process's", () => {
    const stateDir = mkdtempSync(join(tmpdir(), "omniai-version-"));
    const envVars: Record<string, string> = {};
    const session = {
      stack: "dev",
      settings: {
        project: "omniai",
        stackFile: {
          encryptionsalt: "v1:x",
          config: { "omniai:httpPort": 1, "omniai:dockerHost": "ssh://deploy@h" },
        },
      },
      backend: { stateDir },
      handle: { options: { showSecrets: false, policyPacks: ["p"] }, program: { workspace: { envVars } } },
    };
    try {
      const options = useVersion(session as unknown as Session, {
        ...{ build: "abc", imageId: "sha256:1" },
        config: { "omniai:httpPort": 2, "omniai:dockerHost": "ssh://root@h" },
      });
      assert.deepEqual(envVars, { [BUILD_VARIABLE]: "abc" });
      assert.equal(process.env[BUILD_VARIABLE], undefined);
      assert.deepEqual(JSON.parse(readFileSync(options.configFile ?? "", "utf8")), {
        encryptionsalt: "v1:x",
        config: { "omniai:httpPort": 2, "omniai:dockerHost": "ssh://deploy@h" },
      });
      assert.deepEqual(options.policyPacks, ["p"], "the policies hold for it too");
    } finally {
      rmSync(stateDir, { recursive: true });
    }
  });

  it("leaves the host, and the way to it, as they are now", () => {
    const version = {
      "omniai:httpPort": 2,
      "omniai:hostOpenPorts": [2],
      "omniai:dockerHost": "ssh://root@h",
      "omniai:hostUser": "root",
      hostPrivateKey: { secure: "old" },
      "cloudflare:hostUser": "not ours",
    };
    const way = {
      dockerHost: "ssh://deploy@h2:2222",
      "omniai:hostPrepare": true,
      "omniai:hostAddress": "h2",
      "omniai:hostPort": 2222,
      "omniai:hostUser": "deploy",
      "omniai:hostKey": "ssh-ed25519 AAAA",
      "omniai:hostPrivateKey": { secure: "new" },
    };
    const present = { httpPort: 1, "omniai:hostOpenPorts": [1], ...way };
    assert.deepEqual(onPresentHost(version, present, "omniai"), {
      "omniai:httpPort": 2,
      "omniai:hostOpenPorts": [2],
      "cloudflare:hostUser": "not ours",
      ...way,
    });
    assert.deepEqual(onPresentHost(version, undefined, "omniai"), {
      "omniai:httpPort": 2,
      "omniai:hostOpenPorts": [2],
      "cloudflare:hostUser": "not ours",
    });
  });

  it("stays with the servers that have the data now, whoever runs them", () => {
    const external = { "omniai:database": "external", "omniai:databaseSecretUrl": { secure: "new" } };
    const before = { "omniai:logLevel": "debug", "omniai:redis": "external" };
    assert.deepEqual(onPresentHost(before, external, "omniai"), { "omniai:logLevel": "debug", ...external });
  });

  it("is not taken from the environment, where somebody may have left it", () => {
    assert.deepEqual(withoutBuild({ [BUILD_VARIABLE]: "old", PATH: "/bin" }), { PATH: "/bin" });
  });
});
