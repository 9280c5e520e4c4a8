/** Lets schemathesis try every operation of openapi.json against a service that runs. */
import { strict as assert } from "node:assert";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { addUser, ask, authEnvironment, bearer, loginTokens } from "../../service/test/support/auth.ts";
import { startProcess, type Process } from "../../service/test/support/process.ts";
import { testServers } from "../../service/test/support/servers.ts";
import { pythonWith, requirements } from "../../tools/find/venv.ts";

/** How long it may run, s, and how many examples each operation gets; both can be raised for a longer run. */
const SECONDS = Number(process.env.OMNIAI_TEST_API_SECONDS ?? 60);
const EXAMPLES = Number(process.env.OMNIAI_TEST_API_EXAMPLES ?? 30);

describe("openapi.json, as schemathesis sees it", function () {
  this.timeout((SECONDS + 400) * 1000);
  let service: Process;
  let closed: Process;
  /** Schemathesis writes its database of examples into the folder in which it runs. */
  const folder = mkdtempSync(join(tmpdir(), "omniai-api-"));

  before(async () => {
    await testServers();
    const many = { OMNIAI_CLIENT_REPORTS_PER_MINUTE: "1000000", OMNIAI_LIMIT_REQUESTS_PER_MINUTE: "0" };
    service = await startProcess(many);
    const logins = { OMNIAI_LIMIT_LOGINS_PER_USER: "0", OMNIAI_LIMIT_REFRESHES_PER_MINUTE: "0" };
    closed = await startProcess({ OMNIAI_AUTH_MODE: "both", ...authEnvironment, ...many, ...logins });
  });
  after(() => {
    for (const process of [service, closed]) process?.child.kill("SIGTERM");
    rmSync(folder, { recursive: true, force: true });
  });

  it("is true of every operation but the endless stream: all checks run and find nothing", async function () {
    const bin = await pythonWith(requirements.schemathesis);
    // The test is skipped only where there is no Python, and the skip is counted.
    if (!bin) return this.skip();
    const output = await run(bin, service, SECONDS, ["getApiEvents"]);
    assert.ok(Number(/(\d+) generated/.exec(output)?.[1]) > 50, output);
  });

  it("is true for a logged-in user, and its protected operations refuse anybody else", async function () {
    const bin = await pythonWith(requirements.schemathesis);
    if (!bin) return this.skip();
    const user = await addUser(["events:read", "events:write", "diag:read"]);
    const { accessToken } = await loginTokens(closed, user);
    // A logout would end the login that the other requests use.
    const left = ["getApiEvents", "postApiAuthLogout"];
    const header = ["--header", `Authorization: Bearer ${accessToken}`];
    const output = await run(bin, closed, Math.ceil(SECONDS / 2), left, header);
    assert.ok(Number(/(\d+) generated/.exec(output)?.[1]) > 50, output);
    const check = await ask(closed, "GET", "/api/auth/check", { headers: bearer(accessToken) });
    assert.equal(check.body.authenticated, true, "it was tried as somebody to the end");
  });

  /** @returns its output. @throws if it found anything. */
  async function run(
    bin: string,
    { url }: Process,
    maxSeconds: number,
    left: readonly string[],
    more: readonly string[] = [],
  ): Promise<string> {
    const args = [
      ...["--config-file", new URL("./schemathesis.toml", import.meta.url).pathname, "run"],
      ...[`${url}/api/openapi.json`, "--checks", "all", ...more],
      ...left.flatMap((operation) => ["--exclude-operation-id", operation]),
      ...["--max-examples", String(EXAMPLES), "--max-time", String(maxSeconds), "--request-timeout", "10"],
      ...["--no-color", "--warnings", "off"],
    ];
    const child = spawn(join(bin, "schemathesis"), args, { cwd: folder, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => (output += text));
    }
    const code = await new Promise((resolve) => child.once("close", resolve));
    assert.equal(code, 0, output);
    return output;
  }
});
