/** Deadlines on a process that is busy. */
import { strict as assert } from "node:assert";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { Worker } from "node:worker_threads";
import { DeadlineError, withDeadline } from "../../src/platform/deadline.ts";

/** A server of its own thread, which answers whatever this one does, and counts what it has answered. */
const SERVER = `
  const { createServer } = require("node:net");
  const { parentPort, workerData } = require("node:worker_threads");
  const server = createServer((socket) =>
    socket.on("data", (data) => socket.write(data, () => Atomics.add(workerData, 0, 1))),
  ).listen(0, "127.0.0.1", () => parentPort.postMessage(server.address().port));
`;
const answers = new Int32Array(new SharedArrayBuffer(4));

/** Gives nothing else its turn for so many ms, and until the answer lies in this process's socket. */
function beBusy(ms: number): void {
  const before = Atomics.load(answers, 0);
  const end = performance.now() + ms;
  while (performance.now() < end || Atomics.load(answers, 0) === before);
}

describe("a deadline", () => {
  let server: Worker;
  let socket: Socket;
  before(async () => {
    server = new Worker(SERVER, { eval: true, workerData: answers });
    const [port] = (await once(server, "message")) as [number];
    socket = connect(port, "127.0.0.1");
    await once(socket, "connect");
  });
  after(async () => {
    socket.destroy();
    await server.terminate();
  });

  it("counts an answer that came in time, although this process got to it only later", async () => {
    const data = once(socket, "data");
    const answer = withDeadline("the server", 200, data);
    socket.write("x");
    // The answer comes within this, and the deadline is over before anybody reads it.
    beBusy(400);
    await answer;
  });

  it("ends the wait for one that is not there", async () => {
    const abort = new AbortController();
    const never = once(socket, "data", { signal: abort.signal });
    await assert.rejects(withDeadline("the server", 50, never), DeadlineError);
    abort.abort();
  });
});
