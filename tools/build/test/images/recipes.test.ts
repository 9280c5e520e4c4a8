/** Which images can be stood in for, and what their stand-ins are made from. */
import { strict as assert } from "node:assert";
import { chmodSync, cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hashFolder } from "../../hash.ts";
import { recipeHash } from "../../images/build.ts";
import { pickMirrors } from "../../images/mirrors.ts";
import { parseImageName } from "../../images/names.ts";
import { LABEL, LABEL_NAME, standInHash } from "../../images/present.ts";
import { findRecipe, recipeFolder, RECIPES } from "../../images/recipes.ts";
import { readVersion } from "../../images/smoke.ts";

describe("images: recipes", () => {
  const reason = (name: string): string => {
    const found = findRecipe(parseImageName(name));
    return found.recipe === undefined ? found.reason : `found ${found.recipe.repository}`;
  };

  it("are found for the names that the stack uses", () => {
    for (const name of [
      "postgres:17-trixie",
      "postgres:17",
      "redis:8",
      "redis:8.0.2-bookworm",
      "nginx:1.30-trixie",
    ]) {
      assert.match(reason(name), /^found/, name);
    }
    for (const name of [
      "node:24-trixie-slim",
      "node:24",
      "node:24.20.1-slim",
      "docker.io/library/postgres:17",
    ]) {
      assert.match(reason(name), /^found/, name);
    }
  });

  it("are not found for images with another contract, and the reason is told", () => {
    assert.match(reason("postgres:17-alpine"), /variant "alpine"/);
    assert.match(reason("postgres:16"), /offers version 17, 18, not "16"/);
    assert.match(reason("nginx:latest"), /offers version 1\.30, not "latest"/);
    assert.match(reason("node:22-slim"), /not "22"/);
    assert.match(reason("mysql:9"), /no stand-in for mysql:9/);
    assert.match(reason("r.example/postgres:17"), /no stand-in/);
    assert.match(reason("postgres:17@sha256:ab"), /pinned by digest/);
  });

  it("have a hash that changes with every file, its executable bit and the arguments", () => {
    const folder = mkdtempSync(join(tmpdir(), "omniai-recipe-"));
    try {
      cpSync(recipeFolder("redis"), folder, { recursive: true });
      const first = hashFolder(folder, {});
      assert.equal(first, hashFolder(recipeFolder("redis"), {}), "where it lies does not count");
      chmodSync(join(folder, "docker-entrypoint.sh"), 0o644);
      const second = hashFolder(folder, {});
      writeFileSync(join(folder, "Dockerfile"), "FROM other\n");
      const third = hashFolder(folder, {});
      assert.equal(new Set([first, second, third, hashFolder(folder, { a: "1" })]).size, 4);
    } finally {
      rmSync(folder, { recursive: true });
    }
    const node = RECIPES.find((recipe) => recipe.repository === "node");
    assert.ok(node);
    assert.notEqual(
      recipeHash(node, "24"),
      recipeHash(node, "24.20.1"),
      "another version is another stand-in",
    );
  });

  it("are not seen in images that are only built on a stand-in", () => {
    const labels = { [LABEL]: "abc", [LABEL_NAME]: "node" };
    assert.equal(standInHash({ id: "x", labels }, "node"), "abc");
    assert.equal(standInHash({ id: "x", labels }, "omniai/service"), undefined);
    assert.equal(standInHash({ id: "x", labels: {} }, "node"), undefined);
  });

  it("find a version in what programs print", () => {
    assert.equal(readVersion("postgres (PostgreSQL) 17.11 (Debian 17.11-0+deb13u1)"), "17.11");
    assert.equal(readVersion("nginx version: nginx/1.30.6"), "1.30.6");
    assert.equal(readVersion("v24.21.0"), "24.21.0");
    assert.equal(readVersion("nothing"), undefined);
  });

  it("take Debian's mirrors from apt, and none that a container cannot reach", () => {
    const listing = [
      "Other|Other|https://other.example/",
      "Debian|Debian|file:/media/cd/",
      "Debian|Debian|http://mirror.example/debian/",
      "Debian|Debian-Security|http://mirror.example/debian-security/",
    ].join("\n");
    assert.deepEqual(pickMirrors(listing), {
      main: "http://mirror.example/debian/",
      security: "http://mirror.example/debian-security/",
    });
    assert.deepEqual(pickMirrors(""), { main: undefined, security: undefined });
  });
});
