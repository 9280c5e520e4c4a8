/** Answers that their client does not take. */
import { strict as assert } from "node:assert";
import { once } from "node:events";
import { createServer, type Server, type ServerResponse } from "node:http";
import { connect, type AddressInfo } from "node:net";
import { cutAfter } from "../../src/platform/send-text.ts";

describe("an answer that has to be over in time", () => {
  /** More than the buffers of the system hold. */
  const text = "x".repeat(16 * 1024 * 1024);
  let server: Server;
  let answering: Promise<ServerResponse>;
  let ms: number;

  beforeEach(async () => {
    const { promise, resolve } = Promise.withResolvers<ServerResponse>();
    answering = promise;
    server = createServer((_request, response) => {
      response.end(text);
      cutAfter(response, ms);
      resolve(response);
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
  });
  afterEach(() => void server.close().closeAllConnections());
  const port = (): number => (server.address() as AddressInfo).port;

  it("is cut when its client does not take it", async () => {
    ms = 50;
    const client = connect(port(), "127.0.0.1").pause();
    client.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
    const response = await answering;
    await once(response, "close");
    assert.equal(response.writableFinished, false);
    client.destroy();
  });

  it("is left alone when it was taken", async () => {
    ms = 10_000;
    const answer = await fetch(`http://127.0.0.1:${port()}`);
    assert.equal((await answer.text()).length, text.length);
    const response = await answering;
    if (!response.closed) await once(response, "close");
    assert.ok(response.writableFinished);
  });
});
