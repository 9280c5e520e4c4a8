/** Where the requests of a load go when their address takes no connection. */
import { strict as assert } from "node:assert";
import { createServer, type RequestListener, type Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { createCertificate } from "../../../infra/components/edge/certificate.ts";
import { eventually } from "../http.ts";
import { startLoad } from "../load.ts";

/**
 * Counts every request, and answers it or breaks its connection; closes each connection, so that the next request needs a new one.
 * With https it has a certificate of its own, as an edge has.
 */
async function serve(
  answer: number | "breaks",
  scheme: "http" | "https",
): Promise<{ server: Server; url: string; asked: () => number }> {
  let asked = 0;
  const listener: RequestListener = (request, response) => {
    asked++;
    request.resume();
    if (answer === "breaks") request.socket.destroy();
    else response.writeHead(answer, { connection: "close" }).end();
  };
  const { certificate, key } = await createCertificate(["127.0.0.1"]);
  const server =
    scheme === "http" ? createServer(listener) : createTlsServer({ cert: certificate, key }, listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return { server, url: `${scheme}://127.0.0.1:${port}`, asked: () => asked };
}

const RATE = 50;
const ENOUGH = 10;
const PATIENCE_SECONDS = 30;
/** Long enough for a request. */
const WHILE_MS = 500;

describe("the requests of a load", () => {
  const servers: Server[] = [];
  afterEach(() => servers.splice(0).forEach((server) => server.close()));

  for (const scheme of ["http", "https"] as const) {
    const started = async (answer: number | "breaks" = 200): ReturnType<typeof serve> => {
      const one = await serve(answer, scheme);
      servers.push(one.server);
      return one;
    };
    const gone = async (): Promise<string> => {
      const { server, url } = await started();
      await new Promise((resolve) => server.close(resolve));
      return url;
    };

    it(`go to the next address where theirs takes no connection, and none is lost (${scheme})`, async () => {
      const other = await started();
      const load = startLoad({ url: await gone(), instead: [await gone(), other.url], rate: RATE });
      await eventually("requests", PATIENCE_SECONDS, () => other.asked() >= ENOUGH);
      const { failures, elsewhere, sent } = await load.stop();
      assert.deepEqual(failures, []);
      assert.equal(elsewhere, sent);
      assert.equal(other.asked(), sent);
    });

    it(`fail where there is no other address, or where they were sent (${scheme})`, async () => {
      const [failing, breaking, other] = [await started(500), await started("breaks"), await started()];
      const instead = [other.url];
      const all = [{ url: await gone() }, { url: failing.url, instead }, { url: breaking.url, instead }];
      for (const options of all) {
        const load = startLoad({ ...options, rate: RATE });
        await sleep(WHILE_MS);
        const { failures, sent, elsewhere } = await load.stop();
        assert.ok(sent > 0);
        assert.equal(failures.length, sent);
        assert.equal(elsewhere, 0);
      }
      assert.equal(other.asked(), 0);
    });
  }
});
