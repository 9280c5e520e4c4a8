/** A free port stays free until it is taken, and while its server restarts. */
import { strict as assert } from "node:assert";
import { once } from "node:events";
import { connect, createServer, type AddressInfo } from "node:net";
import { freePort } from "../free-port.ts";

describe("a free port", () => {
  it("can be taken, and is none that a connection could get", async () => {
    const port = await freePort();
    const server = createServer().listen(port, "127.0.0.1");
    await once(server, "listening");
    const client = connect(port, "127.0.0.1");
    await once(client, "connect");
    try {
      // What the kernel gives to outgoing connections lies above.
      assert.ok(port < (client.address() as AddressInfo).port, String(port));
    } finally {
      client.destroy();
      server.close();
    }
  });

  it("is another one each time, also when the one before is not taken yet", async () => {
    const ports: number[] = [];
    // So many that two would be the same, if each were drawn without regard to the others (the birthday problem).
    for (let round = 0; round < 100; round++) {
      ports.push(...(await Promise.all(Array.from({ length: 5 }, freePort))));
    }
    assert.equal(new Set(ports).size, ports.length);
  });
});
