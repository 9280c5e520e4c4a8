/** Pinning images by digest, with a registry that speaks the distribution protocol. */
import { strict as assert } from "node:assert";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { findPins, withPins } from "../../../commands/stack/pin.ts";
import { challenge, registry, resolve } from "../../../commands/stack/registry.ts";
import { parseImageName } from "../../../stack/toolchain.ts";

describe("pinning images", () => {
  const digest = `sha256:${"ab".repeat(32)}`;
  let server: Server;
  let base: string;
  const asked: string[] = [];
  before(async () => {
    // The distribution protocol as far as a digest needs it: a challenge, a token, a digest.
    server = createServer((request, response) => {
      asked.push(`${request.method} ${request.url}`);
      if (request.url?.startsWith("/token")) return void response.end(JSON.stringify({ token: "anyone" }));
      if (request.headers.authorization !== "Bearer anyone") {
        response.writeHead(401, {
          "www-authenticate": `Bearer realm="${base}/token",service="r",scope="repository:library/redis:pull"`,
        });
        return void response.end();
      }
      const known =
        request.url === "/v2/library/redis/manifests/8" && /index/.test(request.headers.accept ?? "");
      response.writeHead(known ? 200 : 404, known ? { "docker-content-digest": digest } : {});
      response.end();
    });
    await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  after(() => server.close());

  it("asks the registry, with the token that anybody gets", async () => {
    const way = registry({ base: () => base });
    assert.equal(await way(parseImageName("redis:8")), digest);
    assert.deepEqual(asked, [
      "HEAD /v2/library/redis/manifests/8",
      "GET /token?service=r&scope=repository%3Alibrary%2Fredis%3Apull",
      "HEAD /v2/library/redis/manifests/8",
    ]);
  });

  it("says why each way failed, and goes on to the next", async () => {
    const ways = {
      registry: registry({ base: () => base }),
      engine: () => Promise.reject(new Error("not pulled")),
    };
    assert.deepEqual(await resolve(parseImageName("redis:9"), ways), {
      reasons: ["registry: the registry answered 404", "engine: not pulled"],
    });
    const gone = registry({ base: () => "http://127.0.0.1:9" });
    const { digest: found, reasons } = await resolve(parseImageName("redis:8"), {
      gone,
      engine: () => Promise.resolve(digest),
    });
    assert.equal(found, digest);
    assert.equal(reasons.length, 1);
  });

  it("keeps the tag for people, replaces an older digest, and leaves the rest of the file alone", async () => {
    const pins = await findPins(
      { redisImage: `redis:8@sha256:${"0".repeat(64)}`, httpPort: 1 },
      { registry: registry({ base: () => base }) },
    );
    const text = "# a comment\nconfig:\n  omniai:httpPort: 1 # mine\n";
    const after = withPins(text, "omniai", pins);
    assert.equal(after, `${text}  omniai:redisImage: redis:8@${digest}\n`);
  });

  it("reads a challenge", () => {
    assert.deepEqual(challenge('Bearer realm="r",service="s"'), { realm: "r", service: "s" });
    assert.equal(challenge('Basic realm="r"'), undefined);
  });
});
