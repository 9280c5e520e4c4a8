/** What the engine hands over of a container's log. */
import { strict as assert } from "node:assert";
import { unframe } from "../../engine/container-log.ts";

describe("the log of a container", () => {
  const frame = (stream: number, text: string): Buffer => {
    const head = Buffer.alloc(8);
    head[0] = stream;
    head.writeUInt32BE(Buffer.byteLength(text), 4);
    return Buffer.concat([head, Buffer.from(text)]);
  };

  it("is read out of the engine's frames, and as it is when there are none", () => {
    assert.equal(unframe(Buffer.concat([frame(1, "ä\n"), frame(2, "b\n")])), "ä\nb\n");
    assert.equal(unframe(Buffer.from("no frames here")), "no frames here");
  });
});
