/** That the traffic of a test does not stop with the test, against an edge in a thread of its own. */
import { strict as assert } from "node:assert";
import { Worker } from "node:worker_threads";
import { assertNothingDropped, startTraffic } from "../traffic.ts";

/** An edge with one event log, in a thread of its own. Its answer to POST /times is when each GET came, in milliseconds. */
const EDGE = `
const { createServer } = require("node:http");
const { parentPort } = require("node:worker_threads");
const streams = new Set(), times = [];
let last = 0;
const server = createServer((request, response) => {
  if (request.url === "/api/events" && request.method === "GET") {
    response.writeHead(200, { "content-type": "text/event-stream" }).write("id: 0\\n\\n");
    return void streams.add(response);
  }
  let body = "";
  request.on("data", (part) => (body += part)).on("end", () => {
    if (request.method === "GET") times.push(performance.now());
    else for (const stream of streams) stream.write("id: " + ++last + "\\nevent: numbered\\ndata: " + JSON.stringify(JSON.parse(body).data) + "\\n\\n");
    response.end("{}");
  });
});
server.listen(0, "127.0.0.1", () => parentPort.postMessage(server.address().port));
parentPort.on("message", () => parentPort.postMessage(times));
`;
const said = <T>(worker: Worker): Promise<T> => new Promise((resolve) => worker.once("message", resolve));

describe("traffic of a test", () => {
  let edge: Worker;
  let url: string;
  beforeEach(async () => {
    edge = new Worker(EDGE, { eval: true });
    url = `http://127.0.0.1:${await said<number>(edge)}`;
  });
  afterEach(() => edge.terminate());

  it("goes on while the test waits for a command, and accounts for all", async () => {
    const traffic = await startTraffic(url, 40, 2);
    const waited = 1500;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, waited);
    const result = await traffic.stop();
    assertNothingDropped(result);
    assert.ok(result.acknowledged.length > 0);
    const times = said<number[]>(edge);
    edge.postMessage("times");
    const gaps = (await times).map((time, index, all) => time - (all[index - 1] ?? time));
    assert.ok(Math.max(...gaps) < waited / 2, `nothing was sent for ${Math.max(...gaps).toFixed(0)} ms`);
  });

  it("that cannot begin is an error of the test, not of a thread that nobody hears", async () => {
    await assert.rejects(startTraffic("no-url", 1, 1), /Invalid URL/);
  });
});
