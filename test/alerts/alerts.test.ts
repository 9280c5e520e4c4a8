/** The alerts, each tried by vmalert-tool with what it is about: it fires then and not before, and nothing else fires. */
import { strict as assert } from "node:assert";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { renderUnitTests, STEPS } from "../../infra/test/support/alert-cases.ts";
import { createContext } from "../../tools/find/index.ts";
import { ensureVmalertTool } from "../../tools/find/vmalert-tool.ts";

const run = promisify(execFile);

describe("the alerts", () => {
  let program: string;
  let folder: string;
  before(async () => {
    program = await ensureVmalertTool(createContext({}));
    folder = mkdtempSync(join(tmpdir(), "omniai-alerts-"));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  for (const step of STEPS) {
    it(`fire as their cases say, looked at every ${step}`, async () => {
      const file = join(folder, `${step}.yaml`);
      writeFileSync(file, renderUnitTests(step));
      const said = await run(program, ["unittest", `-files=${file}`], { maxBuffer: 2 ** 26 }).catch(
        (error: { stdout: string; stderr: string }) => error,
      );
      const text = `${said.stdout}\n${said.stderr}`.replace(/^.*\tinfo\t.*\n/gm, "");
      assert.match(text, /SUCCESS/, text);
    });
  }
});
