/** What happens to the budget of bodies when a client is gone before its body is counted. */
import { strict as assert } from "node:assert";
import { once } from "node:events";
import type { Server } from "node:http";
import { connect, type AddressInfo } from "node:net";
import express from "express";
import { limitBodies } from "../../src/platform/body-limit.ts";
import { ByteBudget } from "../../src/platform/byte-budget.ts";
import { closeServer, listen, newServer } from "../../src/platform/http.ts";

describe("the budget of bodies under way", () => {
  const servers: Server[] = [];
  afterEach(() => Promise.all(servers.splice(0).map((server) => closeServer(server, 100))));

  it("takes nothing for a client that left while its request waited for the rate limit", async () => {
    const budget = new ByteBudget({ total: 1000, perHolder: 1000 });
    const app = express();
    const { promise: wasLimited, resolve: limited } = Promise.withResolvers<void>();
    // As the rate limit does while it asks Redis.
    app.use(async (_request, response, next) => {
      await once(response, "close");
      next();
      limited();
    });
    app.use(limitBodies({ budget, limitBytes: 500, trustProxyHops: 0 }));
    const server = newServer(app);
    servers.push(server);
    await listen(server, 0, "127.0.0.1");
    const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
    await once(socket, "connect");
    const arrived = once(server, "request");
    socket.write("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 400\r\n\r\n{");
    await arrived;
    socket.destroy();
    await wasLimited;
    assert.equal(budget.used, 0);
  });
});
