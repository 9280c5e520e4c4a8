/** Images that can neither be pulled nor be stood in for, on the real engine. */
import { strict as assert } from "node:assert";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { close, fakeEngine, testContext } from "../../../host/test/support/engine.ts";
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

  for (const [what, message, says] of [
    [
      "over its limit",
      "toomanyrequests: You have reached your pull rate limit",
      /The registry refuses it \(.*toomanyrequests.*docker login.*mirror\.example\.org\/library\/redis:8-trixie/s,
    ],
    [
      "away",
      "dial tcp: lookup registry-1.docker.io: no such host",
      /No container registry answers \(.*dial tcp.*Try again/s,
    ],
  ] as const) {
    it(`a stand-in outside dev, where the registry is ${what}`, async () => {
      const folder = mkdtempSync(join(tmpdir(), "omniai-images-"));
      const asked: string[] = [];
      // The docker CLI is real, and its engine has no image and gets none.
      const server = await fakeEngine(join(folder, "docker.sock"), (path) => {
        asked.push(path);
        if (path.endsWith("/_ping")) return { status: 200, body: "OK" };
        return path.includes("/images/create")
          ? { status: 500, body: { message } }
          : { status: 404, body: { message: "No such image" } };
      });
      try {
        const context = testContext(folder);
        const given = ensureImages(
          context,
          ["redis:8-trixie"],
          `unix://${join(folder, "docker.sock")}`,
          false,
        );
        await assert.rejects(given, says);
        assert.ok(asked.some((path) => path.includes("/images/create")));
        assert.ok(
          !asked.some((path) => path.includes("/build") || path.includes("/images/json")),
          asked.join(" "),
        );
      } finally {
        await close(server);
        rmSync(folder, { recursive: true });
      }
    });
  }
});
