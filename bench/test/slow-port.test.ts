/** The way to the box that the benchmark and the tests of a remote stack take. */
import { strict as assert } from "node:assert";
import { connect, createServer, type AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { openSlowPort } from "../../test/support/box/slow-port.ts";

describe("a slow way to a port", () => {
  it("takes its time each way, and loses and swaps nothing when that time changes", async () => {
    const echo = createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket));
    await new Promise<void>((resolve) => echo.listen(0, "127.0.0.1", resolve));
    const way = await openSlowPort((echo.address() as AddressInfo).port);
    try {
      const socket = connect({ port: way.port, host: "127.0.0.1", allowHalfOpen: true });
      const all = text(socket);
      way.delay(40);
      const began = performance.now();
      const first = new Promise((resolve) => socket.once("data", resolve));
      socket.write("first ");
      await first;
      const passed = performance.now() - began;
      assert.ok(passed >= 79, `${passed} ms for a round trip`);
      socket.write("second ");
      way.delay(0);
      socket.end("third");
      assert.equal(await all, "first second third");
    } finally {
      way.close();
      echo.close();
    }
  });
});
