/**
 * The canary of decision 27: what open streams use of Node's http beside its documented interface. It fails at an upgrade
 * of Node that changes this, and says what is lost. The service itself goes on: then each stream keeps its request.
 */
import { strict as assert } from "node:assert";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { createServer, get, type IncomingMessage, type ServerResponse } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo, Socket } from "node:net";
import { takeOver } from "../../src/events/stream/take-over.ts";

const lost = (what: string): string =>
  `Node ${process.version}: ${what}. Open streams are not taken over any more, and each costs more memory. ` +
  "Adapt service/src/events/stream/take-over.ts, or leave that out; docs/decisions/0027-private-interfaces.md says why it is there.";

describe("private interfaces of Node's http", () => {
  it("exist: freeParser in _http_common takes a parser, a request and a socket", () => {
    const common = createRequire(import.meta.url)("_http_common") as { freeParser?: unknown };
    assert.equal(typeof common.freeParser, "function", lost("_http_common has no freeParser"));
    assert.equal((common.freeParser as () => void).length, 3, lost("freeParser takes other arguments"));
  });

  it("exist without a warning", () => {
    const program = 'require("_http_common")';
    const { status, stderr } = spawnSync(process.execPath, ["--throw-deprecation", "-e", program], {
      encoding: "utf8",
    });
    assert.equal(status, 0, lost(`requiring _http_common warns: ${stderr}`));
  });

  it("let a response give its connection away, which can still be written to", async () => {
    const seen = Promise.withResolvers<{
      request: IncomingMessage;
      response: ServerResponse;
      taken: Socket | undefined;
    }>();
    const server = createServer((request, response) => {
      response.flushHeaders();
      setImmediate(() => seen.resolve({ request, response, taken: takeOver(request, response) }));
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    try {
      const client = get({ port: (server.address() as AddressInfo).port, host: "127.0.0.1", agent: false });
      const [answer] = (await once(client, "response")) as [IncomingMessage];
      const { request, response, taken } = await seen.promise;
      assert.ok(taken, lost("the socket of a response has no parser, or does not name the response"));
      assert.equal(response.socket, null, lost("detachSocket leaves the response its socket"));
      const { parser, _httpMessage: message } = taken as Socket & {
        parser?: unknown;
        _httpMessage?: unknown;
      };
      assert.ok(!parser && !message, lost("the socket keeps its parser or its response"));
      assert.equal(request.destroyed, false);
      taken.end("5\r\nhello\r\n0\r\n\r\n");
      answer.setEncoding("utf8");
      let text = "";
      for await (const part of answer) text += String(part);
      assert.equal(text, "hello", lost("what is written to the socket does not reach the client"));
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });
});
