/** Requests that wait behind another one on their connection. */
import { strict as assert } from "node:assert";
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import { connect, type AddressInfo } from "node:net";
import { closeWaiting, noteWaiting } from "../../src/platform/pipelined.ts";
import { eventually } from "../support/wait.ts";

const MANY = 2000;

describe("pipelined requests", () => {
  it("cost the same each, however many wait, are forgotten when answered, and closed once when they are not", async () => {
    const responses: ServerResponse[] = [];
    let looks = 0;
    let closed = 0;
    const server = createServer((request, response) => {
      // Counts how often those that came before are looked at when another one comes.
      let isDestroyed = response.destroyed;
      Object.defineProperty(response, "destroyed", {
        get: () => {
          looks++;
          return isDestroyed;
        },
        set: (value: boolean) => (isDestroyed = value),
      });
      response.on("close", () => closed++);
      noteWaiting(request, response);
      responses.push(response);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
    let got = "";
    socket.setEncoding("latin1").on("data", (text: string) => (got += text));
    try {
      await once(socket, "connect");
      socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n".repeat(MANY));
      await eventually("all came", () => responses.length === MANY);
      assert.ok(looks < 20 * MANY, `${looks} looks at ${MANY} responses`);
      const answered = responses.slice(0, MANY / 2);
      for (const response of answered) response.writeHead(204).end();
      await eventually("answered", () => got.split("HTTP/1.1 204").length - 1 === answered.length);
      await eventually("closed", () => closed === answered.length);
      const [first, ...others] = responses.slice(answered.length);
      assert.ok(first?.socket, "its turn has come");
      looks = 0;
      closeWaiting(first.socket);
      assert.equal(closed, answered.length + others.length);
      assert.ok(looks <= 20 * others.length, "only at those that wait");
      closeWaiting(first.socket);
      assert.equal(closed, answered.length + others.length, "once");
    } finally {
      socket.destroy();
      server.close();
    }
  });
});
