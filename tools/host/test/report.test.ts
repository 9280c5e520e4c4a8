/** What a step shows, on a terminal and elsewhere. */
import { strict as assert } from "node:assert";
import { setTimeout as sleep } from "node:timers/promises";
import { createReporter } from "../report.ts";

interface Output {
  readonly stream: { readonly isTTY: boolean; readonly write: (text: string) => void };
  readonly text: () => string;
}

function output(isTTY: boolean): Output {
  let all = "";
  return { stream: { isTTY, write: (text) => void (all += text) }, text: () => all };
}

describe("createReporter", () => {
  it("prints whole lines, no colours, and a sign of life where it is no terminal", async () => {
    const { stream, text } = output(false);
    const report = createReporter({ stream, interval: 20, env: {} });
    await report.step("Building", async (progress) => {
      progress("first\nlatest \x1b[31mline\x1b[0m\n");
      await sleep(50);
    });
    assert.match(
      text(),
      /^Building \.\.\.\n {2}Building: \d+ s, latest line\n[\s\S]*done: Building \(\d+ s\)\n$/,
    );
    assert.doesNotMatch(text(), /\x1b|\r/); // eslint-disable-line no-control-regex
  });

  it("rewrites one line on a terminal, in colours unless NO_COLOR says otherwise", async () => {
    for (const env of [{}, { NO_COLOR: "1" }]) {
      const { stream, text } = output(true);
      await createReporter({ stream, env }).step("Building", async (progress) => {
        progress("compiling");
        await sleep(250);
      });
      assert.ok(text().includes("\r\x1b[2K"));
      assert.ok(text().includes("compiling"));
      assert.equal(text().includes("\x1b[32m"), !("NO_COLOR" in env));
    }
  });

  it("says that a step failed and passes its error on", async () => {
    const { stream, text } = output(false);
    const step = createReporter({ stream, env: {} }).step("Building", () =>
      Promise.reject(new Error("no Go")),
    );
    await assert.rejects(step, /no Go/);
    assert.match(text(), /failed: Building/);
  });
});
