/** Images that can neither be pulled nor be stood in for, on the real engine. */
import { strict as assert } from "node:assert";
import { tmpdir } from "node:os";
import { testContext } from "../../../host/test/support/engine.ts";
import { ensureImages } from "../../images/index.ts";

describe("images: what is refused, on the real engine @engine", function () {
  this.timeout(60_000);
  const host = process.env["DOCKER_HOST"] ?? "unix:///var/run/docker.sock";
  // Nobody listens there, so the test is the same in a closed network and in an open one.
  const gone = "localhost:1/omniai-test/thing:1";

  it("an image that is not here and cannot be pulled", async () => {
    await assert.rejects(
      ensureImages(testContext(tmpdir()), [gone], host),
      /localhost:1\/omniai-test\/thing:1 is not on the engine and cannot be pulled .*no stand-in[\s\S]*docker load.*postgres:17/,
    );
  });

  it("a missing image by digest, which can have no stand-in", async () => {
    const pinned = `localhost:1/postgres@sha256:${"0".repeat(64)}`;
    await assert.rejects(ensureImages(testContext(tmpdir()), [pinned], host), /pinned by digest/);
  });

  it("any pull or build with --no-install", async () => {
    const context = testContext(tmpdir(), process.env, false);
    await assert.rejects(
      ensureImages(context, [gone], host),
      /is not on the engine[\s\S]*docker pull localhost:1/,
    );
    assert.deepEqual(context.said, []);
  });
});
