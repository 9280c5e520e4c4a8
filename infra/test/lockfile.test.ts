/** The service's own part of the lockfile. */
import { strict as assert } from "node:assert";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pruneLockfile, type Lockfile } from "../components/backend/lockfile.ts";

const lockfile: Lockfile = {
  name: "root",
  lockfileVersion: 3,
  packages: {
    "": { workspaces: ["service", "infra"] },
    service: {
      name: "@x/service",
      version: "1.0.0",
      dependencies: { a: "1", b: "1" },
      devDependencies: { tester: "1" },
    },
    infra: { name: "@x/infra", dependencies: { c: "1" } },
    "node_modules/@x/service": { resolved: "service", link: true },
    "node_modules/a": {
      version: "1.0.0",
      dependencies: { shared: "2" },
      optionalDependencies: { "a-linux": "1", gone: "1" },
    },
    "node_modules/a/node_modules/shared": { version: "2.0.0" },
    "node_modules/a-linux": { version: "1.0.0", optional: true },
    "node_modules/shared": { version: "1.0.0" },
    "service/node_modules/b": { version: "1.0.0", dependencies: { shared: "1" } },
    "node_modules/c": { version: "1.0.0" },
    "node_modules/tester": { version: "1.0.0", dev: true },
  },
};

describe("pruneLockfile", () => {
  it("keeps what the workspace runs with, in its places, and nothing else", () => {
    const { packages } = pruneLockfile(lockfile, "service");
    assert.deepEqual(Object.keys(packages), [
      "",
      "node_modules/@x/service",
      "node_modules/a",
      "node_modules/a-linux",
      "node_modules/a/node_modules/shared",
      "node_modules/shared",
      "service",
      "service/node_modules/b",
    ]);
    assert.deepEqual(packages[""], { workspaces: ["service"] });
    assert.equal(packages["service"]?.devDependencies, undefined);
  });

  it("is not moved by what other workspaces need", () => {
    const other: Lockfile = {
      ...lockfile,
      packages: {
        ...lockfile.packages,
        "node_modules/c": { version: "2.0.0" },
        "node_modules/tester": { version: "9.0.0" },
      },
    };
    assert.deepEqual(pruneLockfile(other, "service"), pruneLockfile(lockfile, "service"));
  });

  it("says what is missing", () => {
    assert.throws(() => pruneLockfile(lockfile, "nowhere"), /no workspace "nowhere"/);
    const { "node_modules/shared": _, ...packages } = lockfile.packages;
    assert.throws(
      () => pruneLockfile({ ...lockfile, packages }, "service"),
      /no "shared", which "service\/node_modules\/b" needs/,
    );
  });

  it("prunes the real lockfile to less than half of it, without any tool", () => {
    const real = JSON.parse(
      readFileSync(join(import.meta.dirname, "../../package-lock.json"), "utf8"),
    ) as Lockfile;
    const { packages } = pruneLockfile(real, "service");
    assert.ok(packages["node_modules/express"]);
    assert.equal(packages["node_modules/eslint"], undefined);
    assert.equal(packages["node_modules/@pulumi/pulumi"], undefined);
    assert.ok(Object.keys(packages).length < Object.keys(real.packages).length / 2);
  });
});
