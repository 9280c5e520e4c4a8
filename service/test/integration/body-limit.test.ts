/** Bodies that are under way together: what one address may hold, and all of them. */
import { strict as assert } from "node:assert";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { eventually, startInstance, type Instance } from "../support/instance.ts";
import { testServers } from "../support/servers.ts";

describe("bodies under way", function () {
  this.timeout(120_000);
  let instance: Instance;
  const sockets: Socket[] = [];

  /** Sends a request's head and a part of its body. */
  async function begin(address: string, framing: string, part: string, at = instance): Promise<Socket> {
    const socket = connect(at.port, "127.0.0.1");
    sockets.push(socket);
    await once(socket, "connect");
    socket.write(
      `POST /api/events HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: ${address}\r\nContent-Type: application/json\r\n` +
        `${framing}\r\n\r\n${part}`,
    );
    return socket;
  }
  /** A body of which all but the end is sent. */
  const beginLong = (address: string, bytes: number): Promise<Socket> =>
    begin(address, `Content-Length: ${bytes + 1}`, '{"type":"t",'.padEnd(bytes));
  const post = async (address: string, length: number, at = instance): Promise<Response> => {
    const response = await fetch(`${at.url}/api/events`, {
      method: "POST",
      headers: { "content-type": "application/json", "x-forwarded-for": address },
      body: JSON.stringify({ type: "t", data: "x".repeat(length) }),
    });
    await response.clone().arrayBuffer();
    return response;
  };
  const slugOf = async (response: Response): Promise<string> =>
    ((await response.json()) as { type: string }).type.split(":").at(-1) ?? "";
  const underWay = async (at = instance): Promise<number> => {
    const text = await (await fetch(`${at.internalUrl}/metrics`)).text();
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
    await beginLong("192.0.2.1", 60_000);
    await eventually("taken", async () => (await underWay()) === 60_000);
    const refused = await post("192.0.2.1", 20_000);
    assert.equal(refused.status, 429);
    assert.equal(await slugOf(refused), "too-much-at-once");
    assert.ok(Number(refused.headers.get("retry-after")) >= 1);
    // What fits goes on, and so does everybody else.
    assert.equal((await post("192.0.2.1", 1000)).status, 201);
    assert.equal((await post("192.0.2.2", 20_000)).status, 201);
  });

  it("count until they are stored, so that hanging up gives nobody more than their share", async () => {
    const { redis } = await testServers();
    const body = JSON.stringify({ type: "t", data: "x".repeat(30_000) });
    await redis.pause();
    try {
      for (let sent = 0; sent < 2; sent++) {
        const socket = await begin("192.0.2.1", `Content-Length: ${body.length}`, body);
        await eventually("taken", async () => (await underWay()) >= body.length * (sent + 1));
        socket.destroy();
      }
      const refused = await post("192.0.2.1", 10_000);
      assert.equal(refused.status, 429);
      assert.equal(await slugOf(refused), "too-much-at-once");
    } finally {
      await redis.unpause();
    }
  });

  it("are limited in all, and requests without a body are not", async () => {
    for (const address of ["192.0.2.1", "192.0.2.2"]) await beginLong(address, 60_000);
    await eventually("taken", async () => (await underWay()) === 120_000);
    const refused = await post("192.0.2.3", 20_000);
    assert.equal(refused.status, 503);
    assert.equal(await slugOf(refused), "too-much-under-way");
    assert.ok(Number(refused.headers.get("retry-after")) >= 1);
    assert.equal((await fetch(`${instance.url}/api/events/poll`)).status, 200);
  });

  it("count for what has come of them, so that a few slow ones do not keep everybody else out", async () => {
    const usual = await startInstance({ OMNIAI_TRUST_PROXY_HOPS: "1" });
    try {
      for (let i = 0; i < 32; i++) {
        await begin("192.0.2.1", "Transfer-Encoding: chunked", "1\r\n{\r\n", usual);
        await begin("192.0.2.2", "Content-Length: 65536", "{", usual);
      }
      await eventually("all are read", async () => (await underWay(usual)) === 64 * 1024);
      assert.equal((await post("192.0.2.3", 30_000, usual)).status, 201);
      assert.equal((await post("192.0.2.1", 30_000, usual)).status, 201, "from the same address, too");
    } finally {
      for (const socket of sockets.splice(0)) socket.destroy();
      await usual.stop();
    }
  });

  it("are refused on their way when there is no more room for what comes", async () => {
    const slow = await begin("192.0.2.1", "Content-Length: 60000", "{");
    await eventually("read", async () => (await underWay()) === 1024);
    await beginLong("192.0.2.1", 60_000);
    await eventually("taken", async () => (await underWay()) === 61_024);
    slow.write(" ".repeat(30_000));
    const [answer] = (await once(slow, "data")) as [Buffer];
    assert.match(answer.toString(), /^HTTP\/1\.1 429 /);
    assert.match(answer.toString(), /too-much-at-once/);
    await eventually("given back", async () => (await underWay()) === 60_000);
  });
});
