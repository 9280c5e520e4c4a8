/** That the traffic of a test does not stop with the test, against an edge in a thread of its own. */
import { strict as assert } from "node:assert";
import { Worker } from "node:worker_threads";
import { assertNothingDropped, startTraffic } from "../traffic.ts";

/** An edge with one event log, in a thread of its own. It counts the GETs where the test sees them while it waits. */
const EDGE = `
const { createServer } = require("node:http");
const { parentPort, workerData: gets } = require("node:worker_threads");
const streams = new Set();
let last = 0;
const server = createServer((request, response) => {
  if (request.url === "/api/events" && request.method === "GET") {
    response.writeHead(200, { "content-type": "text/event-stream" }).write("id: 0\\n\\n");
    return void streams.add(response);
  }
  let body = "";
  request.on("data", (part) => (body += part)).on("end", () => {
    if (request.method === "GET") {
      Atomics.add(gets, 0, 1);
      Atomics.notify(gets, 0);
    } else for (const stream of streams) stream.write("id: " + ++last + "\\nevent: numbered\\ndata: " + JSON.stringify(JSON.parse(body).data) + "\\n\\n");
    response.end("{}");
  });
});
server.listen(0, "127.0.0.1", () => parentPort.postMessage(server.address().port));
`;
const said = <T>(worker: Worker): Promise<T> => new Promise((resolve) => worker.once("message", resolve));

/** How many GETs have to come while the test waits for its command, and how long they may take, in milliseconds. */
const MEANWHILE = 20;
const PATIENCE_MS = 30_000;

describe("traffic of a test", () => {
  let edge: Worker;
  let gets: Int32Array<SharedArrayBuffer>;
  let url: string;
  beforeEach(async () => {
    gets = new Int32Array(new SharedArrayBuffer(4));
    edge = new Worker(EDGE, { eval: true, workerData: gets });
    url = `http://127.0.0.1:${await said<number>(edge)}`;
  });
  afterEach(() => edge.terminate());

  /** Waits as for a command: nothing else of this thread runs until so many have come, or could have. */
  const block = (): void => {
    const end = performance.now() + PATIENCE_MS;
    for (let seen = 0, left = PATIENCE_MS; seen < MEANWHILE && left > 0; left = end - performance.now()) {
      Atomics.wait(gets, 0, seen, left);
      seen = Atomics.load(gets, 0);
    }
  };

  it("goes on while the test waits for a command, and accounts for all", async () => {
    const traffic = await startTraffic(url, 40, 2);
    block();
    const meanwhile = Atomics.load(gets, 0);
    const result = await traffic.stop();
    assertNothingDropped(result);
    assert.ok(result.acknowledged.length > 0);
    assert.ok(meanwhile >= MEANWHILE, `${meanwhile} requests were sent`);
  });

  it("that cannot begin is an error of the test, not of a thread that nobody hears", async () => {
    await assert.rejects(startTraffic("no-url", 1, 1), /Invalid URL/);
  });
});
