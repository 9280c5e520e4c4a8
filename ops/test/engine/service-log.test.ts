/** The log of a service as its manager sends it. */
import { strict as assert } from "node:assert";
import { PassThrough, Readable } from "node:stream";
import type Docker from "dockerode";
import { followServiceLog, readFrame, readServiceLog, type LogPiece } from "../../engine/service-log.ts";
import { detailed, frame } from "../support/frames.ts";

/** An engine whose service has this log, and what it was asked for. */
function engineWith(log: Buffer, pieces = 1) {
  const asked: Record<string, unknown>[] = [];
  const size = Math.ceil(log.length / pieces);
  const chunks = Array.from({ length: pieces }, (_, at) => log.subarray(at * size, (at + 1) * size));
  // As the client does it: a stream where that is followed, and the query apart where there is one.
  const logs = (options: { follow?: boolean; _query?: Record<string, unknown> }) => {
    asked.push(options._query ?? { ...options });
    return Promise.resolve(options.follow === true ? Readable.from(chunks) : log);
  };
  return { docker: { getService: () => ({ logs }) } as unknown as Docker, asked };
}

const log = Buffer.concat([
  detailed("one", "ä b=c, d\n"),
  detailed("two", "first ", 2),
  detailed("one", "second\n"),
  // A long line is cut, and what the task says elsewhere meanwhile is none of it.
  detailed("two", "between\n"),
  detailed("two", "half\n", 2),
  detailed("two", "no end"),
  frame(
    3,
    "Error grabbing logs: rpc error: code = Unknown desc = warning: incomplete log stream. some logs could not be retrieved for the following reasons: node x9 is not available\n",
  ),
]);
const LINES: LogPiece[] = [
  { task: "one", text: "ä b=c, d" },
  { task: "one", text: "second" },
  { task: "two", text: "between" },
  { task: "two", text: "first half" },
  { missing: "node x9 is not available" },
  { task: "two", text: "no end" },
];

describe("the log of a service", () => {
  it("is lines of tasks, with a word where some are missing", async () => {
    const { docker, asked } = engineWith(log);
    assert.deepEqual(await readServiceLog(docker, "x", { tail: 7, since: 5 }), LINES);
    const { details, follow, tail, since } = asked[0] ?? {};
    assert.deepEqual({ details, follow, tail, since }, { details: true, follow: false, tail: 7, since: 5 });
  });

  it("is what the others have handed over where a node hands over nothing, and says so", async () => {
    const lost = new PassThrough();
    lost.write(detailed("one", "there\n"));
    const docker = { getService: () => ({ logs: () => Promise.resolve(lost) }) } as unknown as Docker;
    assert.deepEqual(await readServiceLog(docker, "x", { tail: 7 }, 50), [
      { task: "one", text: "there" },
      { missing: "nothing more came for 0.05 s, as when a node has just been lost" },
    ]);
    assert.ok(lost.destroyed);
  });

  it("is the same however it is cut while it is followed", async () => {
    for (const pieces of [1, 3, log.length]) {
      const seen: LogPiece[] = [];
      const { docker } = engineWith(log, pieces);
      await followServiceLog(docker, "x", { tail: 7 }, (piece) => seen.push(piece));
      assert.deepEqual(seen, LINES, `${pieces} pieces`);
    }
  });

  it("is empty where nothing was written", async () => {
    assert.deepEqual(await readServiceLog(engineWith(Buffer.alloc(0)).docker, "x", { tail: 1 }), []);
  });

  it("has details that are escaped", () => {
    const content = Buffer.from("a%3Db=c%2C,com.docker.swarm.task.id=t1 text\n");
    assert.deepEqual(readFrame({ stream: 1, content }), { task: "t1", text: "text\n" });
  });

  it("may have an engine's word among the errors of tasks", () => {
    const content = Buffer.from("Error grabbing logs: the node is away\n");
    assert.deepEqual(readFrame({ stream: 2, content }), { missing: "the node is away" });
  });
});
