/** A pull goes on as long as it moves, and tells why it does not. */
import { strict as assert } from "node:assert";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type RequestListener, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseImageName } from "../../../build/images/names.ts";
import { close } from "../../../host/test/support/engine.ts";
import { engineClient } from "../../engine/api.ts";
import { classify, pullByApi } from "../../images/pull.ts";

describe("images: pulling", () => {
  let folder: string;
  let server: Server | undefined;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "omniai-pull-"));
  });
  afterEach(async () => {
    if (server) await close(server);
    server = undefined;
    rmSync(folder, { recursive: true });
  });
  const socket = (): string => join(folder, "docker.sock");
  async function engine(listener: RequestListener): Promise<void> {
    const started = createServer(listener);
    server = started;
    await new Promise<void>((resolve) => started.listen(socket(), resolve));
  }
  const image = parseImageName("postgres:17-trixie");
  const pull = (firstAnswerMs: number, stallMs: number, lines: string[] = []): ReturnType<typeof pullByApi> =>
    engineClient(`unix://${socket()}`, {}).then((client) => {
      assert.ok(client);
      return pullByApi(client, image, (line) => void lines.push(line), { firstAnswerMs, stallMs });
    });

  it("shows how far it is, and goes on for as long as there is progress", async () => {
    let asked = "";
    await engine((request, response) => {
      asked = request.url ?? "";
      const lines = [
        { status: "Pulling from library/postgres", id: "17-trixie" },
        { status: "Downloading", id: "a", progressDetail: { current: 5e6, total: 20e6 } },
        { status: "Downloading", id: "b", progressDetail: { current: 1e6, total: 10e6 } },
        { status: "Pull complete", id: "a" },
        { status: "Pull complete", id: "b" },
        { status: "Status: Downloaded newer image" },
      ];
      const next = (): void => {
        const line = lines.shift();
        if (line === undefined) response.end();
        else {
          response.write(`${JSON.stringify(line)}\r\n`);
          setTimeout(next, 450);
        }
      };
      next();
    });
    const lines: string[] = [];
    // All together take longer than it may say nothing.
    assert.deepEqual(await pull(20_000, 2000, lines), { pulled: true });
    assert.match(asked, /^\/images\/create\?fromImage=postgres&tag=17-trixie$/);
    assert.ok(lines.includes("0 of 2 layers, 6 of 30 MB"), lines.join("\n"));
    assert.equal(lines.at(-1), "2 of 2 layers");
  });

  it("gives up on a registry that never answers", async () => {
    await engine(() => undefined);
    const begun = Date.now();
    const result = await pull(300, 60_000);
    assert.ok(Date.now() - begun < 40_000);
    assert.ok(
      !result.pulled && result.why === "unreachable" && /did not answer within 0\.3 s/.test(result.detail),
    );
  });

  it("gives up on a registry that stops half-way", async () => {
    await engine((_request, response) => {
      response.write(`${JSON.stringify({ status: "Pulling from library/postgres" })}\n`);
    });
    const result = await pull(60_000, 300);
    assert.ok(
      !result.pulled && result.why === "unreachable" && /sent nothing for 0\.3 s/.test(result.detail),
    );
  });

  it("tells a registry that refuses from one that cannot be reached", async () => {
    const answers = [
      { status: 500, message: 'Get "https://r/v2/": dial tcp: lookup r: no such host', why: "unreachable" },
      { status: 404, message: "manifest for postgres:17-trixie not found: manifest unknown", why: "unknown" },
      { status: 500, message: "toomanyrequests: You have reached your pull rate limit", why: "refused" },
    ];
    for (const { status, message, why } of answers) {
      await engine((_request, response) => {
        response.writeHead(status);
        response.end(`${JSON.stringify({ message })}\n`);
      });
      assert.deepEqual(await pull(30_000, 30_000), { pulled: false, why, detail: message });
      if (server) await close(server);
    }
    server = undefined;
  });

  it("sees an error that comes in the middle", async () => {
    await engine((_request, response) => {
      response.write(`${JSON.stringify({ status: "Pulling from library/postgres" })}\n`);
      response.end(`${JSON.stringify({ error: "read: connection reset by peer" })}\n`);
    });
    const result = await pull(30_000, 30_000);
    assert.deepEqual(result, { pulled: false, why: "unreachable", detail: "read: connection reset by peer" });
  });

  it("understands the messages of engines", () => {
    assert.equal(classify("Head ...: dial tcp 1.2.3.4:443: i/o timeout"), "unreachable");
    assert.equal(classify("net/http: TLS handshake timeout"), "unreachable");
    assert.equal(classify("docker.io/library/postgres:99: not found"), "unknown");
    assert.equal(classify("no matching manifest for linux/s390x in the manifest list entries"), "unknown");
    assert.equal(
      classify("pull access denied for x, repository does not exist or may require 'docker login'"),
      "refused",
    );
    assert.equal(classify("toomanyrequests: Quota exceeded for quota group pulls"), "refused");
  });

  it("takes what the engine itself cannot do for no sign of a registry, and neither what nobody knows", () => {
    for (const message of [
      "failed to register layer: Error processing tar file(exit status 1): write /usr/lib/x: no space left on device",
      "write /var/lib/docker/tmp/GetImageBlob1: no space left on device",
      "open /var/lib/docker/image/overlay2: permission denied",
      "mkdir /var/lib/docker/tmp: read-only file system",
      "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
      "filesystem layer verification failed for digest sha256:00",
      "docker pull failed",
    ])
      assert.equal(classify(message), "failed", message);
    for (const message of [
      'Get "https://registry-1.docker.io/v2/": context deadline exceeded',
      'failed to resolve reference "docker.io/library/x:1": unexpected status from HEAD request: 403 Forbidden',
      "received unexpected HTTP status: 503 Service Unavailable",
      "unexpected EOF",
    ])
      assert.equal(classify(message), "unreachable", message);
  });
});
