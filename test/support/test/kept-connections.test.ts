/** That a client of the tests closes its kept connections before its server, against a server that never does. */
import { strict as assert } from "node:assert";
import { once } from "node:events";
import { createServer, request, type Server } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { eventually } from "../http.ts";
import { keepConnections, type KeptConnections } from "../kept-connections.ts";

/** What the server tells, in seconds: a client lets go a second earlier. */
const TOLD_SECONDS = 2;
/** It keeps them for much longer, so that whatever closes a connection here is the client. */
const KEPT_MS = 60_000;
/** Longer than a connection may be idle. */
const SLOW_MS = TOLD_SECONDS * 1000;

describe("kept connections of a client", () => {
  let server: Server;
  let port: number;
  const open = new Set<Socket>();

  before(async () => {
    server = createServer({ keepAliveTimeout: KEPT_MS }, ({ url }, response) => {
      response.setHeader("connection", "keep-alive").setHeader("keep-alive", `timeout=${TOLD_SECONDS}`);
      setTimeout(() => response.end(), url === "/slow" ? SLOW_MS : 0);
    });
    server.on("connection", (socket: Socket) => {
      open.add(socket);
      socket.on("close", () => open.delete(socket));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    ({ port } = server.address() as AddressInfo);
  });
  after(() => {
    server.closeAllConnections();
    server.close();
  });

  /** @returns whether it went on a connection that was used before. */
  const ask = ({ agent, closeOld }: KeptConnections, path = "/", timeout?: number): Promise<boolean> =>
    new Promise((resolve, reject) => {
      closeOld();
      const call = request({ port, host: "127.0.0.1", agent, path, timeout }, (response) => {
        response.resume().on("end", () => resolve(call.reusedSocket));
      });
      call.on("timeout", () => call.destroy(new Error("the time of the request is over")));
      call.on("error", reject).end();
    });

  /** The first request, until the agent has its connection back: a moment after the answer was read to its end. */
  const askFirst = async (kept: KeptConnections): Promise<void> => {
    const free = once(kept.agent, "free");
    assert.equal(await ask(kept), false);
    await free;
  };

  it("are used again", async () => {
    const kept = keepConnections(false, 2);
    await askFirst(kept);
    assert.equal(await ask(kept), true);
    kept.agent.destroy();
  });

  for (const timeout of [undefined, 15_000, 60_000]) {
    it(`have all of a request's own time (${timeout ?? "none"} ms), and not that for being idle`, async () => {
      const kept = keepConnections(false, 1);
      await askFirst(kept);
      assert.equal(await ask(kept, "/slow", timeout), true);
      kept.agent.destroy();
    });
  }

  it("are closed by the client, before its server would", async () => {
    const kept = keepConnections(false, 5);
    await Promise.all(Array.from({ length: 5 }, () => ask(kept)));
    await eventually("no connection", 15, () => open.size === 0);
    kept.agent.destroy();
  });

  it("are not used when they are old, though the client's timers are late", async () => {
    const kept = keepConnections(false, 2);
    await askFirst(kept);
    // No timer of this thread fires meanwhile, and nothing is heard of the server.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, TOLD_SECONDS * 1000);
    assert.equal(await ask(kept), false);
    kept.agent.destroy();
  });
});
