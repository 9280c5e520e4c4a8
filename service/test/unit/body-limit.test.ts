/** What happens to the budget of bodies when a client is gone before its body is counted. */
import { strict as assert } from "node:assert";
import { once } from "node:events";
import type { Server } from "node:http";
import { connect, type AddressInfo } from "node:net";
import express from "express";
import { pino } from "pino";
import { jsonBody } from "../../src/platform/body.ts";
import { problemHandler } from "../../src/platform/problems.ts";
import { countUntil, limitBodies } from "../../src/platform/body-limit.ts";
import { ByteBudget } from "../../src/platform/byte-budget.ts";
import { closeServer, listen, newServer } from "../../src/platform/http.ts";
import { eventually } from "../support/wait.ts";

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

  it("counts what a client has sent until a store has it, also when the client hangs up", async () => {
    const budget = new ByteBudget({ total: 5000, perHolder: 5000 });
    const app = express();
    const { promise: stored, resolve: store } = Promise.withResolvers<void>();
    const { promise: hungUp, resolve: hangUp } = Promise.withResolvers<void>();
    app.use(limitBodies({ budget, limitBytes: 500, trustProxyHops: 0 }), jsonBody(500));
    app.post("/", async (request, response) => {
      response.once("close", hangUp);
      client.destroy();
      await countUntil(request, stored);
    });
    const server = newServer(app);
    servers.push(server);
    await listen(server, 0, "127.0.0.1");
    const client = connect((server.address() as AddressInfo).port, "127.0.0.1");
    client.write(
      `POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 400\r\n\r\n${"1".padEnd(400)}`,
    );
    await hungUp;
    assert.ok(budget.used >= 400, `${budget.used} bytes are counted`);
    store();
    await eventually("given back", () => budget.used === 0);
  });
});

describe("a JSON body", () => {
  it("has a limit for the time that all of it takes, however steadily it comes", async () => {
    const app = express();
    app.post("/", jsonBody(1000, 400), (_request, response) => void response.json({}));
    app.use(problemHandler(pino({ level: "silent" })));
    const server = newServer(app);
    await listen(server, 0, "127.0.0.1");
    const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
    const started = performance.now();
    socket.write(
      "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 900\r\n\r\n",
    );
    const more = setInterval(() => socket.write(" "), 50);
    try {
      const [answer] = (await once(socket, "data")) as [Buffer];
      const ms = performance.now() - started;
      assert.match(answer.toString(), /^HTTP\/1\.1 408 /);
      // All of it would take 45 s.
      assert.ok(ms > 350 && ms < 20_000, `${ms} ms`);
    } finally {
      clearInterval(more);
      socket.destroy();
      await closeServer(server, 100);
    }
  });
});
