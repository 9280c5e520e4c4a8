/** How text is laid out on the terminal. */
import { strict as assert } from "node:assert";
import { bytes, duration, table } from "../../terminal/output.ts";

describe("text on the terminal", () => {
  it("shows sizes and time spans in the units that fit", () => {
    assert.deepEqual([0, 1023, 1536, 200 * 1024 ** 2].map(bytes), ["0 B", "1023 B", "1.5 KiB", "200 MiB"]);
    assert.deepEqual([0, 59, 93_784, 3600].map(duration), ["0 s", "59 s", "1 d 2 h", "1 h"]);
  });

  it("is laid out in columns, coloured or not", () => {
    assert.deepEqual(
      table(
        [
          ["a", "b"],
          ["\u001b[31mlong\u001b[39m", "c"],
        ],
        "",
      ),
      ["a     b", "\u001b[31mlong\u001b[39m  c"],
    );
  });
});
