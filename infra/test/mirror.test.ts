/** Images through a mirror of Docker Hub. */
import { strict as assert } from "node:assert";
import { throughMirror, withoutMirror } from "../config/mirror.ts";
import { findProblems } from "../config/problems.ts";
import { defaults } from "./defaults.ts";

describe("a mirror of Docker Hub", () => {
  const MIRROR = "mirror.example.org:5000/hub";
  const DIGEST = `@sha256:${"0".repeat(64)}`;

  it("has official images below library, and others below their owner", () => {
    for (const [name, copy] of [
      ["postgres:17-trixie", `${MIRROR}/library/postgres:17-trixie`],
      [`redis:8${DIGEST}`, `${MIRROR}/library/redis:8${DIGEST}`],
      ["docker.io/library/nginx:1.30", `${MIRROR}/library/nginx:1.30`],
      ["prom/alertmanager:v1", `${MIRROR}/prom/alertmanager:v1`],
    ] as const)
      assert.equal(throughMirror(MIRROR, name), copy);
    assert.equal(withoutMirror(MIRROR, `${MIRROR}/library/postgres:17-trixie`), "postgres:17-trixie");
    assert.equal(withoutMirror(MIRROR, `${MIRROR}/prom/alertmanager:v1`), "prom/alertmanager:v1");
  });

  it("leaves what names a registry, and everything where there is none", () => {
    for (const name of ["quay.io/x/y:1", "localhost/x:1", "host:5000/x:1"]) {
      assert.equal(throughMirror(MIRROR, name), name);
      assert.equal(withoutMirror(MIRROR, name), name);
    }
    assert.equal(throughMirror("", "postgres:17-trixie"), "postgres:17-trixie");
  });

  it("is where every image of the config comes from, for the program and for ops", () => {
    const { config, problems } = findProblems({ ...defaults, registryMirror: "mirror.example.org" });
    assert.deepEqual(problems, []);
    for (const [key, value] of Object.entries(config))
      if (key.endsWith("Image")) assert.match(value as string, /^mirror\.example\.org\/[^/]+\/[^/]+$/, key);
    assert.equal(config.postgresImage, `mirror.example.org/library/${String(defaults["postgresImage"])}`);
  });

  it("is a host, and no address or name of an image", () => {
    for (const registryMirror of ["https://mirror.example.org", "mirror", "mirror.example.org/", "a.b/x:1"])
      assert.deepEqual(
        findProblems({ ...defaults, registryMirror }).problems.map(({ key }) => key),
        ["registryMirror"],
        registryMirror,
      );
  });
});
