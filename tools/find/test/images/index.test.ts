/** Images that can neither be pulled nor be stood in for, on the real engine. */
import { strict as assert } from "node:assert";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LABEL, LABEL_NAME, LABEL_VERSION } from "../../../build/images/present.ts";
import type { PartStatus } from "../../../host/part.ts";
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

  /**
   * The docker CLI is real, its engine has at most one image, and gets no other.
   * @param message what it says to a pull. @param labels of the image that it has. @param standIns false outside dev
   */
  async function ensured(
    message: string,
    { standIns, labels }: { standIns: boolean; labels?: Record<string, string> },
  ): Promise<{ given: Promise<PartStatus[]>; asked: string[]; said: readonly string[] }> {
    const folder = mkdtempSync(join(tmpdir(), "omniai-images-"));
    const socket = join(folder, "docker.sock");
    const asked: string[] = [];
    const server = await fakeEngine(socket, (path) => {
      asked.push(path);
      if (path.endsWith("/_ping")) return { status: 200, body: "OK" };
      if (path.includes("/images/create")) return { status: 500, body: { message } };
      if (labels !== undefined && /images\/redis[^/]*\/json/.test(path))
        return { status: 200, body: { Id: "sha256:old", Config: { Labels: labels } } };
      return { status: 404, body: { message: "No such image" } };
    });
    const context = testContext(folder);
    const given = ensureImages(context, ["redis:8-trixie"], `unix://${socket}`, standIns);
    await given.catch(() => undefined);
    await close(server);
    rmSync(folder, { recursive: true });
    assert.ok(asked.some((path) => path.includes("/images/create")));
    assert.ok(
      !asked.some((path) => path.includes("/build") || path.endsWith("/images/json")),
      asked.join(" "),
    );
    return { given, asked, said: context.said };
  }
  const AWAY = "dial tcp: lookup registry-1.docker.io: no such host";

  for (const [what, message, standIns, says] of [
    [
      "a stand-in outside dev, where the registry is over its limit",
      "toomanyrequests: You have reached your pull rate limit",
      false,
      /The registry refuses it \(.*toomanyrequests.*docker login.*mirror\.example\.org\/library\/redis:8-trixie/s,
    ],
    [
      "a stand-in outside dev, where the registry is away",
      AWAY,
      false,
      /No container registry answers \(.*dial tcp.*Try again/s,
    ],
    [
      "a stand-in in dev as well, where the engine's disk is full",
      "write /var/lib/docker/tmp/GetImageBlob1: no space left on device",
      true,
      /cannot be pulled\. The pull failed \(.*no space left.*docker image prune/s,
    ],
  ] as const) {
    it(what, async () => {
      const { given } = await ensured(message, { standIns });
      await assert.rejects(given, says);
    });
  }

  it("nothing outside dev, where a stand-in of another recipe is on the engine: it stays, and that is said", async () => {
    const labels = { [LABEL]: "another", [LABEL_NAME]: "redis", [LABEL_VERSION]: "8.0.5" };
    const { given, said } = await ensured(AWAY, { standIns: false, labels });
    const [status] = await given;
    assert.equal(status?.location, "sha256:old");
    assert.equal(status?.limits?.length, 1);
    assert.match(said.join("\n"), /redis:8-trixie .*another recipe.*stays/);
  });
});
