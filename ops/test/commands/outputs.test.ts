/** What `npm run outputs` shows. */
import { strict as assert } from "node:assert";
import { visibleValues } from "../../commands/outputs.ts";

describe("the outputs of a stack", () => {
  it("are shown with their secrets masked, unless they are asked for", () => {
    const outputs = { a: { value: 1, secret: false }, b: { value: "x", secret: true } };
    assert.deepEqual(visibleValues(outputs, false), { a: 1, b: "[secret]" });
    assert.deepEqual(visibleValues(outputs, true), { a: 1, b: "x" });
  });
});
