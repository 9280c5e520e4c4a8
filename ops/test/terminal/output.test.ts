/** How text is laid out on the terminal. */
import { strict as assert } from "node:assert";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
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

  it("is all there for a reader that is slower than the process", async () => {
    const output = pathToFileURL(join(import.meta.dirname, "../../terminal/output.ts")).href;
    const program = `import { allWritten, print } from "${output}";
      for (let line = 0; line < 20000; line += 1) print("x".repeat(99));
      await allWritten();
      process.exit(0);`;
    const child = spawn(process.execPath, ["--input-type=module", "--eval", program], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let length = 0;
    for await (const chunk of child.stdout) length += (chunk as Buffer).length;
    if (child.exitCode === null) await once(child, "exit");
    assert.deepEqual([length, child.exitCode], [2_000_000, 0]);
  });
});
