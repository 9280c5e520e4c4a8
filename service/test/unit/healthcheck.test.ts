/** The health check as the engine runs it: a shell that hands over to Node where something is wrong. */
import { strict as assert } from "node:assert";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type RequestListener, type Server } from "node:http";
import { createServer as createTcpServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promised } from "../support/wait.ts";

const SCRIPT = new URL("../../healthcheck.sh", import.meta.url).pathname;
/** In place of the whole check: says what it was given. */
const NODE = '#!/bin/sh\necho "node $*"\nexit 42\n';

describe("the shell that most health checks end in", function () {
  this.timeout(60_000);
  const folder = mkdtempSync(join(tmpdir(), "omniai-healthcheck-"));
  const state = join(folder, "omniai-healthcheck.json");
  const servers: Server[] = [];
  const serve = async (listener: RequestListener): Promise<number> => {
    const server = createServer(listener).listen(0, "127.0.0.1");
    servers.push(server);
    await once(server, "listening");
    return (server.address() as AddressInfo).port;
  };
  const answering = (status: number, body: unknown): Promise<number> =>
    serve((_request, response) => void response.writeHead(status).end(JSON.stringify(body)));
  /** What it says. Node is not run: the whole check would look for processes of this machine, and end one. */
  const check = (port: number, ...words: string[]): Promise<{ said: string; code: number }> =>
    new Promise((resolve) => {
      const env = {
        PATH: `${folder}:${process.env.PATH}`,
        TMPDIR: folder,
        OMNIAI_INTERNAL_PORT: String(port),
      };
      const child = execFile("bash", [SCRIPT, ...words], { env }, (_error, stdout, stderr) =>
        resolve({ said: stdout + stderr, code: child.exitCode ?? -1 }),
      );
    });
  const known = (misses: number): void =>
    writeFileSync(state, JSON.stringify({ pid: 7, start: 1, cpu: 1, misses }));
  const handedOver = (...words: string[]): { said: string; code: number } => ({
    said: `node ${["service/healthcheck.mjs", ...words].join(" ")}\n`,
    code: 42,
  });

  before(() => writeFileSync(join(folder, "node"), NODE, { mode: 0o755 }));
  beforeEach(() => known(0));
  afterEach(() => {
    for (const server of servers.splice(0)) server.close().closeAllConnections();
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  it("says so when all is well", async () => {
    const port = await answering(200, { status: "pass", version: "1", checks: { a: [{ status: "pass" }] } });
    assert.deepEqual(await check(port), { said: "200 pass\n", code: 0 });
  });

  it("asks whether the replica is ready, or what it is told to ask, and tells the whole check of it", async () => {
    const asked: (string | undefined)[] = [];
    const port = await serve((request, response) => {
      asked.push(request.url);
      response.writeHead(200).end(JSON.stringify({ status: "pass" }));
    });
    await check(port);
    await check(port, "startupz");
    assert.deepEqual(asked, ["/readyz", "/startupz"]);
    writeFileSync(join(folder, "node"), '#!/bin/sh\necho "asks $PROBE"\n', { mode: 0o755 });
    known(1);
    assert.equal((await check(port, "startupz")).said, "asks startupz\n");
    writeFileSync(join(folder, "node"), NODE, { mode: 0o755 });
  });

  it("leaves to the whole check what has to be put into words", async () => {
    const words = { checks: { a: [{ status: "pass" }] } };
    assert.deepEqual(await check(await answering(200, { status: "warn", ...words })), handedOver());
    assert.deepEqual(await check(await answering(503, { status: "fail", ...words })), handedOver());
    assert.deepEqual(await check(await answering(200, "pass")), handedOver());
  });

  it("leaves to it the first check of a container, and those after a miss", async () => {
    const port = await answering(200, { status: "pass" });
    known(1);
    assert.deepEqual(await check(port), handedOver());
    rmSync(state);
    assert.deepEqual(await check(port), handedOver());
  });

  it("leaves to it a port that nobody listens on", async () => {
    const port = await answering(200, { status: "pass" });
    servers.splice(0).forEach((server) => server.close().closeAllConnections());
    assert.deepEqual(await check(port), handedOver());
  });

  it("leaves to it a connection that is closed without an answer, which is no miss", async () => {
    assert.deepEqual(await check(await serve((_request, response) => response.destroy())), handedOver());
    assert.deepEqual(await check(await serve((request) => request.socket.resetAndDestroy())), handedOver());
    const server = createTcpServer((socket) => socket.resetAndDestroy()).listen(0, "127.0.0.1");
    await once(server, "listening");
    assert.deepEqual(await check((server.address() as AddressInfo).port), handedOver());
    server.close();
  });

  it("tells it of a probe that was not answered, early enough for one more", async () => {
    await promised(3000, async () => {
      const started = performance.now();
      assert.deepEqual(await check(await serve(() => undefined)), handedOver("1"));
      const ms = performance.now() - started;
      assert.ok(ms > 1400, `${ms} ms`);
      return [ms];
    });
  });
});
