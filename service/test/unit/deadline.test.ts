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
    socket.on("data", (data) => {
      // Not while the machine stands still.
      Atomics.wait(workerData, 1, 1);
      socket.write(data, () => {
        Atomics.add(workerData, 0, 1);
        Atomics.notify(workerData, 0);
      });
    }),
  ).listen(0, "127.0.0.1", () => parentPort.postMessage(server.address().port));
`;
const answers = new Int32Array(new SharedArrayBuffer(8));
const [COUNT, STANDS_STILL] = [0, 1];

/** Gives nothing else its turn for so many ms, and until the answer lies in this process's socket. */
function beBusy(ms: number): void {
  const before = Atomics.load(answers, COUNT);
  const end = performance.now() + ms;
  while (performance.now() < end || Atomics.load(answers, COUNT) === before);
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

  it("counts one that comes a moment after the machine has stood still", async () => {
    const data = once(socket, "data");
    Atomics.store(answers, STANDS_STILL, 1);
    const answer = withDeadline("the server", 200, data);
    socket.write("x");
    setTimeout(() => {
      const before = Atomics.load(answers, COUNT);
      Atomics.wait(answers, COUNT, before, 600);
      // Once the timer has been found to be late.
      setTimeout(() => {
        Atomics.store(answers, STANDS_STILL, 0);
        Atomics.notify(answers, STANDS_STILL);
        // Until the answer lies in this process's socket.
        Atomics.wait(answers, COUNT, before, 10_000);
      }, 20);
    }, 20);
    await answer;
  });

  it("ends the wait for one that is not there", async () => {
    const abort = new AbortController();
    const never = once(socket, "data", { signal: abort.signal });
    await assert.rejects(withDeadline("the server", 50, never), DeadlineError);
    abort.abort();
  });
});
