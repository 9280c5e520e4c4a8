/** What the engine hands over of a container's log. */
import { strict as assert } from "node:assert";
import { splitFrames, unframe } from "../../engine/container-log.ts";
import { frame } from "../support/frames.ts";

describe("the log of a container", () => {
  it("is read out of the engine's frames, and as it is when there are none", () => {
    assert.equal(unframe(Buffer.concat([frame(1, "ä\n"), frame(2, "b\n")])), "ä\nb\n");
    assert.equal(unframe(Buffer.from("no frames here")), "no frames here");
  });

  it("is read as far as it has come", () => {
    const whole = frame(1, "ä");
    const { frames, rest } = splitFrames(Buffer.concat([whole, whole.subarray(0, 9)])) ?? {};
    assert.deepEqual(
      frames?.map(({ content }) => content.toString()),
      ["ä"],
    );
    assert.deepEqual(rest, whole.subarray(0, 9));
  });
});
