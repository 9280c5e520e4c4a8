import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startProcess, type Process } from "../../service/test/support/process.ts";
import { testServers } from "../../service/test/support/servers.ts";
import { pythonWith, requirements } from "../../tools/python/venv.ts";

/** How long it may try, s, and how many examples an operation gets; more of both for a longer look. */
const seconds = Number(process.env.OMNIAI_TEST_API_SECONDS ?? 60);
const examples = Number(process.env.OMNIAI_TEST_API_EXAMPLES ?? 30);

describe("openapi.json, as schemathesis sees it", function () {
  this.timeout((seconds + 400) * 1000);
  let service: Process;
  /** It leaves its database of examples where it runs. */
  const folder = mkdtempSync(join(tmpdir(), "omniai-api-"));

  before(async () => {
    await testServers();
    service = await startProcess({ OMNIAI_CLIENT_REPORTS_PER_MINUTE: "1000000" });
  });
  after(() => {
    service?.child.kill("SIGTERM");
    rmSync(folder, { recursive: true, force: true });
  });

  it("is true of every operation but the stream, which has no end: all checks, and nothing found", async function () {
    const bin = await pythonWith(requirements.schemathesis);
    // Counted as skipped, and only where there is no Python at all.
    if (!bin) return this.skip();
    const args = [
      ...["--config-file", new URL("./schemathesis.toml", import.meta.url).pathname, "run"],
      ...[`${service.url}/api/openapi.json`, "--exclude-operation-id", "getApiEvents", "--checks", "all"],
      ...["--max-examples", String(examples), "--max-time", String(seconds), "--request-timeout", "10"],
      ...["--no-color", "--warnings", "off"],
    ];
    const child = spawn(join(bin, "schemathesis"), args, { cwd: folder, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => (output += text));
    }
    const code = await new Promise((resolve) => child.once("close", resolve));
    assert.equal(code, 0, output);
    assert.ok(Number(/(\d+) generated/.exec(output)?.[1]) > 50, output);
  });
});
