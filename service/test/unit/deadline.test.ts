/** Deadlines on a process that is busy. */
import { strict as assert } from "node:assert";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { Worker } from "node:worker_threads";
import { DeadlineError, withDeadline } from "../../src/platform/deadline.ts";

/** A server of its own thread, which answers whatever this one does. It answers each byte after so many ms. */
const SERVER = `
  const { createServer } = require("node:net");
  const { parentPort } = require("node:worker_threads");
  const server = createServer((socket) =>
    socket.on("data", (data) => setTimeout(() => socket.write(data), data[0])),
  ).listen(0, "127.0.0.1", () => parentPort.postMessage(server.address().port));
`;

function beBusy(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

describe("a deadline", () => {
  let server: Worker;
  let socket: Socket;
  before(async () => {
    server = new Worker(SERVER, { eval: true });
    const [port] = (await once(server, "message")) as [number];
    socket = connect(port, "127.0.0.1");
    await once(socket, "connect");
  });
  after(async () => {
    socket.destroy();
    await server.terminate();
  });

  const ask = (ms: number): Promise<unknown> => {
    const answer = once(socket, "data");
    socket.write(Buffer.from([ms]));
    return answer;
  };

  it("counts an answer that came in time, although this process got to it only later", async () => {
    const answer = withDeadline("the server", 200, ask(50));
    setImmediate(() => beBusy(400));
    await answer;
  });

  it("ends the wait for one that is not there", async () => {
    const late = ask(200);
    await assert.rejects(withDeadline("the server", 50, late), DeadlineError);
    await late;
  });
});
