/** Where state and secrets lie. */
import { strict as assert } from "node:assert";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { OpsError } from "../../terminal/errors.ts";
import { planBackend, prepareBackend } from "../../stack/backend.ts";

describe("the backend of the state", () => {
  it("is the checkout's own unless the environment says otherwise", () => {
    const own = planBackend("/repo", {});
    assert.deepEqual(own.env, {
      PULUMI_BACKEND_URL: "file:///repo/.state",
      PULUMI_CONFIG_PASSPHRASE_FILE: "/repo/.state/passphrase",
    });
    assert.deepEqual(planBackend("/repo", { PULUMI_CONFIG_PASSPHRASE: "" }).env, {
      PULUMI_BACKEND_URL: "file:///repo/.state",
    });
    assert.deepEqual(planBackend("/repo", { PULUMI_BACKEND_URL: "file:///other" }), {
      own: false,
      stateDir: "/repo/.state",
      folder: "/other",
      env: {},
    });
    assert.equal(planBackend("/repo", { PULUMI_BACKEND_URL: "https://api.pulumi.com" }).folder, undefined);
  });

  it("is, as a folder, the one that the Pulumi CLI reads out of the address", () => {
    const folders = {
      "file:///srv/state?no_tmp_dir=true": "/srv/state",
      "file:///srv/our%20state/": "/srv/our state",
      "file:///srv/our state": "/srv/our state",
      "file://shared/state": "/repo/shared/state",
      "file://.?metadata=skip": "/repo",
      "file://~": homedir(),
      "file://~/state?no_tmp_dir=true": join(homedir(), "state"),
      "file://~other": "/repo/~other",
    };
    for (const [url, folder] of Object.entries(folders))
      assert.equal(planBackend("/repo", { PULUMI_BACKEND_URL: url }).folder, folder, url);
    assert.throws(
      () => planBackend("/repo", { PULUMI_BACKEND_URL: "file:///srv/50%" }),
      (error) => error instanceof OpsError && /written %25/.test(error.remedy),
    );
  });

  it("gets a passphrase once, and never a new one beside stacks that need the old one", () => {
    const root = mkdtempSync(join(tmpdir(), "omniai-backend-"));
    try {
      const backend = planBackend(root, {});
      const passphrase = join(root, ".state/passphrase");
      prepareBackend(backend);
      const first = readFileSync(passphrase, "utf8");
      assert.ok(first.length >= 40);
      assert.equal(statSync(passphrase).mode & 0o777, 0o600);
      prepareBackend(backend);
      assert.equal(readFileSync(passphrase, "utf8"), first);

      mkdirSync(join(root, ".state/.pulumi/stacks/omniai"), { recursive: true });
      writeFileSync(join(root, ".state/.pulumi/stacks/omniai/dev.json"), "{}");
      rmSync(passphrase);
      assert.throws(() => prepareBackend(backend), /passphrase is gone/);
      assert.ok(!existsSync(passphrase));
    } finally {
      rmSync(root, { recursive: true });
    }
  });
});
