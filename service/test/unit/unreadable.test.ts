/** What becomes of a connection on which there is no request, or none any more, seen from the wire. */
import { strict as assert } from "node:assert";
import { once } from "node:events";
import type { Server } from "node:http";
import { connect, type AddressInfo, type Socket } from "node:net";
import express, { type RequestHandler } from "express";
import { pino } from "pino";
import { jsonBody } from "../../src/platform/body.ts";
import { closeServer, listen, newServer } from "../../src/platform/http.ts";
import { problemHandler } from "../../src/platform/problems.ts";
import { refuseUnreadable } from "../../src/platform/unreadable.ts";

describe("a connection without a readable request", () => {
  const servers: Server[] = [];
  afterEach(() => Promise.all(servers.splice(0).map((server) => closeServer(server, 100))));

  async function serve(first: RequestHandler): Promise<Server> {
    const app = express();
    app.use(first, refuseUnreadable);
    app.post("/", jsonBody(1000), (_request, response) => void response.json({}));
    app.use(problemHandler(pino({ level: "silent" })));
    const server = newServer(app);
    servers.push(server);
    await listen(server, 0, "127.0.0.1");
    return server;
  }
  async function open(server: Server): Promise<Socket> {
    const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
    socket.on("error", () => undefined);
    await once(socket, "connect");
    return socket;
  }

  it("ends alone when the client resets it after CONNECT, before the answer", async () => {
    const { promise: isClosed, resolve: closed } = Promise.withResolvers<void>();
    const clients: Socket[] = [];
    const server = await serve((request, _response, next) => {
      request.socket.once("close", () => {
        closed();
        next();
      });
      request.socket.resume();
      for (const client of clients) client.resetAndDestroy();
    });
    const client = await open(server);
    clients.push(client);
    client.write("CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n");
    // Without a listener for the socket's error, that error ends the process, and mocha fails this test.
    await isClosed;
  });

  it("gets one answer to one request, whatever follows as the rest of its body", async () => {
    const server = await serve((_request, _response, next) => next());
    const client = await open(server);
    let got = "";
    client.on("data", (part: Buffer) => (got += part.toString()));
    client.write(
      "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
    );
    await once(client, "data");
    client.write("zz\r\n");
    await once(client, "close");
    assert.match(got, /^HTTP\/1\.1 415 /);
    assert.equal(got.match(/HTTP\/1\.1 /g)?.length, 1, got);
  });
});
