/** Bodies that are under way together: what one address may hold, and all of them. */
import { strict as assert } from "node:assert";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { eventually, startInstance, type Instance } from "../support/instance.ts";

describe("bodies under way", function () {
  this.timeout(30_000);
  let instance: Instance;
  const sockets: Socket[] = [];

  /** A body of which only the beginning is sent. */
  async function begin(address: string, bytes: number): Promise<Socket> {
    const socket = connect(instance.port, "127.0.0.1");
    sockets.push(socket);
    await once(socket, "connect");
    socket.write(
      `POST /api/events HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: ${address}\r\nContent-Type: application/json\r\n` +
        `Content-Length: ${bytes}\r\n\r\n{"type":"t",`,
    );
    return socket;
  }
  const post = async (address: string, length: number): Promise<Response> => {
    const response = await fetch(`${instance.url}/api/events`, {
      method: "POST",
      headers: { "content-type": "application/json", "x-forwarded-for": address },
      body: JSON.stringify({ type: "t", data: "x".repeat(length) }),
    });
    await response.clone().arrayBuffer();
    return response;
  };
  const slugOf = async (response: Response): Promise<string> =>
    ((await response.json()) as { type: string }).type.split(":").at(-1) ?? "";
  const underWay = async (): Promise<number> => {
    const text = await (await fetch(`${instance.internalUrl}/metrics`)).text();
    return Number(/^omniai_request_body_bytes (\d+)$/m.exec(text)?.[1]);
  };

  before(async () => {
    instance = await startInstance({ OMNIAI_BODY_BYTES: "131072", OMNIAI_TRUST_PROXY_HOPS: "1" });
  });
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy();
    await eventually("given back", async () => (await underWay()) === 0);
  });
  after(() => instance?.stop());

  it("are limited for each address, and others do not notice", async () => {
    await begin("192.0.2.1", 60_000);
    await eventually("taken", async () => (await underWay()) === 60_000);
    const refused = await post("192.0.2.1", 20_000);
    assert.equal(refused.status, 429);
    assert.equal(await slugOf(refused), "too-much-at-once");
    assert.ok(Number(refused.headers.get("retry-after")) >= 1);
    // What fits goes on, and so does everybody else.
    assert.equal((await post("192.0.2.1", 1000)).status, 201);
    assert.equal((await post("192.0.2.2", 20_000)).status, 201);
  });

  it("are limited in all, and requests without a body are not", async () => {
    for (const address of ["192.0.2.1", "192.0.2.2"]) await begin(address, 60_000);
    await eventually("taken", async () => (await underWay()) === 120_000);
    const refused = await post("192.0.2.3", 20_000);
    assert.equal(refused.status, 503);
    assert.equal(await slugOf(refused), "too-much-under-way");
    assert.ok(Number(refused.headers.get("retry-after")) >= 1);
    assert.equal((await fetch(`${instance.url}/api/events/poll`)).status, 200);
  });

  it("count as long as they may be when they do not say how long they are", async () => {
    const socket = connect(instance.port, "127.0.0.1");
    sockets.push(socket);
    await once(socket, "connect");
    socket.write(
      "POST /api/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
    );
    await eventually("taken", async () => (await underWay()) === 65_536);
  });
});
