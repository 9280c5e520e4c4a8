/** Image names, read by docker's rules. */
import { strict as assert } from "node:assert";
import { parseImageName, splitTag, tagCovers } from "../../images/names.ts";

describe("images: names", () => {
  it("are read by docker's rules", () => {
    const parts = (name: string): unknown[] => {
      const { registry, repository, tag, digest } = parseImageName(name);
      return [registry, repository, tag, digest];
    };
    assert.deepEqual(parts("postgres:17-trixie"), [undefined, "postgres", "17-trixie", undefined]);
    assert.deepEqual(parts("docker.io/library/redis:8"), [undefined, "redis", "8", undefined]);
    assert.deepEqual(parts("library/redis"), [undefined, "redis", "latest", undefined]);
    assert.deepEqual(parts("someone/nginx:1"), [undefined, "someone/nginx", "1", undefined]);
    assert.deepEqual(parts("localhost:5000/a/b:c"), ["localhost:5000", "a/b", "c", undefined]);
    assert.deepEqual(parts("r.example/node"), ["r.example", "node", "latest", undefined]);
    assert.deepEqual(parts("redis:8@sha256:ab"), [undefined, "redis", "8", "sha256:ab"]);
    assert.deepEqual(splitTag("24.21.0-trixie-slim"), { version: "24.21.0", variant: "trixie-slim" });
  });

  it("stand for the versions that they are the beginning of", () => {
    assert.equal(tagCovers("17", "17.11"), true);
    assert.equal(tagCovers("1.30", "1.30.6"), true);
    assert.equal(tagCovers("1.3", "1.30.6"), false);
    assert.equal(tagCovers("8.2", "8.0.2"), false);
  });
});
