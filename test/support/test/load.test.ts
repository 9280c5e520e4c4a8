/** Where the requests of a load go when their address takes no connection. */
import { strict as assert } from "node:assert";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { eventually } from "../http.ts";
import { startLoad } from "../load.ts";

/** Answers every request, and counts them; closes each connection, so that the next request needs a new one. */
async function serve(answer = 200): Promise<{ server: Server; url: string; asked: () => number }> {
  let asked = 0;
  const server = createServer((request, response) => {
    asked++;
    request.resume();
    response.writeHead(answer, { connection: "close" }).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return { server, url: `http://127.0.0.1:${port}`, asked: () => asked };
}

const RATE = 50;
const ENOUGH = 10;
const PATIENCE_SECONDS = 30;
/** Long enough for a request. */
const WHILE_MS = 500;

describe("the requests of a load", () => {
  const servers: Server[] = [];
  const started = async (answer?: number): ReturnType<typeof serve> => {
    const one = await serve(answer);
    servers.push(one.server);
    return one;
  };
  afterEach(() => servers.splice(0).forEach((server) => server.close()));

  it("go to the next address where theirs takes no connection, and none is lost", async () => {
    const [gone, other] = [await started(), await started()];
    await new Promise((resolve) => gone.server.close(resolve));
    const load = startLoad({ url: gone.url, instead: [gone.url, other.url], rate: RATE });
    await eventually("requests", PATIENCE_SECONDS, () => other.asked() >= ENOUGH);
    const { failures, elsewhere, sent } = await load.stop();
    assert.deepEqual(failures, []);
    assert.equal(elsewhere, sent);
    assert.equal(other.asked(), sent);
  });

  it("fail where there is no other address, or where they were answered", async () => {
    const [gone, failing, other] = [await started(), await started(500), await started()];
    await new Promise((resolve) => gone.server.close(resolve));
    for (const options of [{ url: gone.url }, { url: failing.url, instead: [other.url] }]) {
      const load = startLoad({ ...options, rate: RATE });
      await sleep(WHILE_MS);
      const { failures, sent, elsewhere } = await load.stop();
      assert.ok(sent > 0);
      assert.equal(failures.length, sent);
      assert.equal(elsewhere, 0);
    }
    assert.equal(other.asked(), 0);
  });
});
