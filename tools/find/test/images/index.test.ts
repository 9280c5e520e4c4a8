import assert from "node:assert/strict";
import { chmodSync, cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type RequestListener, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { close, testContext } from "../../../host/test/support/engine.ts";
import { readVersion, recipeHash } from "../../../build/images/build.ts";
import { hashFolder } from "../../../build/hash.ts";
import { ensureImages } from "../../images/index.ts";
import { pickMirrors } from "../../../build/images/mirrors.ts";
import { parseImageName, splitTag, tagCovers } from "../../../build/images/names.ts";
import {
  keptName,
  LABEL,
  LABEL_NAME,
  LABEL_VERSION,
  lookUp,
  standInHash,
  takeKept,
} from "../../../build/images/present.ts";
import { dockerAt } from "../../../host/docker-cli.ts";
import { engineClient } from "../../engine/api.ts";
import { classify, pullByApi } from "../../images/pull.ts";
import { findRecipe, recipeFolder, RECIPES } from "../../../build/images/recipes.ts";
import { run } from "../../../host/run.ts";

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

  it("stand for the versions they begin", () => {
    assert.equal(tagCovers("17", "17.11"), true);
    assert.equal(tagCovers("1.30", "1.30.6"), true);
    assert.equal(tagCovers("1.3", "1.30.6"), false);
    assert.equal(tagCovers("8.2", "8.0.2"), false);
  });
});

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

  it("are not found where the contract is another one, and say why", () => {
    assert.match(reason("postgres:17-alpine"), /variant "alpine"/);
    assert.match(reason("postgres:16"), /offers version 17, not "16"/);
    assert.match(reason("nginx:latest"), /offers version 1\.30, not "latest"/);
    assert.match(reason("node:22-slim"), /not "22"/);
    assert.match(reason("mysql:9"), /no stand-in for mysql:9/);
    assert.match(reason("r.example/postgres:17"), /no stand-in/);
    assert.match(reason("postgres:17@sha256:ab"), /pinned by digest/);
  });

  it("have a hash that follows every file, its executable bit and the arguments", () => {
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

  it("are not seen in images that only stand on a stand-in", () => {
    const labels = { [LABEL]: "abc", [LABEL_NAME]: "node" };
    assert.equal(standInHash({ id: "x", labels }, "node"), "abc");
    assert.equal(standInHash({ id: "x", labels }, "omniai/service"), undefined);
    assert.equal(standInHash({ id: "x", labels: {} }, "node"), undefined);
  });

  it("read a version from what programs print", () => {
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

  it("shows how far it is, and takes as long as it moves", async () => {
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
          setTimeout(next, 60);
        }
      };
      next();
    });
    const lines: string[] = [];
    assert.deepEqual(await pull(200, 200, lines), { pulled: true });
    assert.match(asked, /^\/images\/create\?fromImage=postgres&tag=17-trixie$/);
    assert.ok(lines.includes("0 of 2 layers, 6 of 30 MB"), lines.join("\n"));
    assert.equal(lines.at(-1), "2 of 2 layers");
  });

  it("gives up on a registry that never answers", async () => {
    await engine(() => undefined);
    const begun = Date.now();
    const result = await pull(300, 5000);
    assert.ok(Date.now() - begun < 2000);
    assert.ok(
      !result.pulled && result.why === "unreachable" && /did not answer within 0\.3 s/.test(result.detail),
    );
  });

  it("gives up on one that stops half-way", async () => {
    await engine((_request, response) => {
      response.write(`${JSON.stringify({ status: "Pulling from library/postgres" })}\n`);
    });
    const result = await pull(5000, 300);
    assert.ok(
      !result.pulled && result.why === "unreachable" && /sent nothing for 0\.3 s/.test(result.detail),
    );
  });

  it("tells a registry that says no from one that is not there", async () => {
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
      assert.deepEqual(await pull(1000, 1000), { pulled: false, why, detail: message });
      if (server) await close(server);
    }
    server = undefined;
  });

  it("sees an error that comes in the middle", async () => {
    await engine((_request, response) => {
      response.write(`${JSON.stringify({ status: "Pulling from library/postgres" })}\n`);
      response.end(`${JSON.stringify({ error: "read: connection reset by peer" })}\n`);
    });
    const result = await pull(1000, 1000);
    assert.deepEqual(result, { pulled: false, why: "unreachable", detail: "read: connection reset by peer" });
  });

  it("knows what engines say", () => {
    assert.equal(classify("Head ...: dial tcp 1.2.3.4:443: i/o timeout"), "unreachable");
    assert.equal(classify("net/http: TLS handshake timeout"), "unreachable");
    assert.equal(classify("docker.io/library/postgres:99: not found"), "unknown");
    assert.equal(classify("no matching manifest for linux/s390x in the manifest list entries"), "unknown");
    assert.equal(
      classify("pull access denied for x, repository does not exist or may require 'docker login'"),
      "refused",
    );
  });
});

describe("images: what is refused, on the real engine", function () {
  this.timeout(60_000);
  const host = process.env["DOCKER_HOST"] ?? "unix:///var/run/docker.sock";
  // A registry on this machine at which nobody listens: it is the same in a closed network and in an open one.
  const gone = "localhost:1/omniai-test/thing:1";

  it("an image that is neither here nor to be had", async () => {
    await assert.rejects(
      ensureImages(testContext(tmpdir()), [gone], host),
      /localhost:1\/omniai-test\/thing:1 is not on the engine and cannot be pulled .*no stand-in[\s\S]*docker load.*postgres:17/,
    );
  });

  it("a missing digest, for which no stand-in can be", async () => {
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

describe("images: two checkouts on one engine @engine", function () {
  this.timeout(60_000);
  const host = process.env["DOCKER_HOST"] ?? "unix:///var/run/docker.sock";
  const hash = `test${process.pid}`;
  const kept = keptName("omniai-test", hash);
  const name = `omniai-test-standin:${process.pid}`;

  afterEach(async () => {
    for (const image of [kept, name]) await run("docker", ["image", "rm", image]);
  });

  it("each take their own stand-in by name, and none that the tag does not stand for", async () => {
    const empty = `FROM scratch\nLABEL ${LABEL}=${hash} ${LABEL_VERSION}=8.0.2\nCMD ["none"]\n`;
    const made = await run("docker", ["build", "--tag", kept, "-"], {
      input: empty,
      env: { ...process.env, DOCKER_BUILDKIT: "0" },
    });
    assert.equal(made.code, 0, made.tail.join("\n"));
    const docker = await dockerAt(testContext(tmpdir()), host);
    const take = (recipe: string, tag: string): Promise<boolean> =>
      takeKept(docker, "omniai-test", recipe, name, (version) => tagCovers(tag, version));
    assert.equal(await take("another", "8"), false);
    assert.equal(await take(hash, "8.2"), false);
    assert.equal(await lookUp(docker, name), undefined);
    assert.equal(await take(hash, "8"), true);
    assert.equal((await lookUp(docker, name))?.labels[LABEL], hash);
  });
});
