/** The page's own name, set at a server that keeps the settings of a page as GitHub does. */
import { strict as assert } from "node:assert";
import { spawn } from "node:child_process";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { json } from "node:stream/consumers";

const SCRIPT = join(import.meta.dirname, "../components/pages/domain.ts");

/** A member that is there is set, and null takes it away; HTTPS needs a certificate (docs.github.com, REST, Pages). */
class GithubPages {
  readonly page: Record<string, unknown> = { cname: null, https_enforced: false };
  hasCertificate = false;
  isGone = false;
  readonly asked: unknown[] = [];
  readonly #server: Server = createServer((request, response) => {
    void (async () => {
      const settings = (await json(request)) as Record<string, unknown>;
      this.asked.push([request.method, request.url, request.headers.authorization, settings]);
      const refused = this.isGone || (settings["https_enforced"] === true && !this.hasCertificate);
      const message = this.isGone ? "Not Found" : "The certificate does not exist yet";
      if (!refused) Object.assign(this.page, settings);
      response.writeHead(refused ? 404 : 204, { "content-type": "application/json" });
      response.end(refused ? JSON.stringify({ message }) : undefined);
    })();
  });

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/`;
  }
  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

describe("the page's own name", () => {
  let github: GithubPages;
  let url: string;
  beforeEach(async () => {
    github = new GithubPages();
    url = await github.listen();
  });
  afterEach(() => github.close());

  const run = async (given: object, verb: readonly string[] = [], token = "from-env") => {
    const child = spawn(process.execPath, [SCRIPT, "owner/page", ...verb], {
      env: { ...process.env, GITHUB_BASE_URL: url, GITHUB_TOKEN: token },
      stdio: ["pipe", "ignore", "pipe"],
    });
    child.stdin.end(JSON.stringify({ token: "canary-token", domain: "app.example.org", ...given }));
    let errors = "";
    child.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()));
    const code = await new Promise((resolve) => child.on("close", resolve));
    return { code, errors };
  };

  it("is set at once, with the token of the stack, and stays when HTTPS follows", async () => {
    assert.equal((await run({ httpsEnforced: false })).code, 0);
    assert.deepEqual(github.asked, [
      ["PUT", "/repos/owner/page/pages", "Bearer canary-token", { cname: "app.example.org" }],
    ]);
    github.hasCertificate = true;
    assert.equal((await run({ httpsEnforced: true })).code, 0);
    assert.deepEqual(github.page, { cname: "app.example.org", https_enforced: true });
  });

  it("comes back after another request has taken it away", async () => {
    Object.assign(github.page, { cname: null });
    await run({ httpsEnforced: false });
    assert.equal(github.page["cname"], "app.example.org");
  });

  it("ends the run with GitHub's own words while there is no certificate, and without the token", async () => {
    const { code, errors } = await run({ httpsEnforced: true });
    assert.equal(code, 1);
    assert.match(errors, /page of owner\/page \(404\): The certificate does not exist yet/);
    assert.doesNotMatch(errors, /canary/);
  });

  it("is taken away when the stack has it no more, and takes the provider's token where the stack has none", async () => {
    await run({ httpsEnforced: false });
    assert.equal((await run({ httpsEnforced: true, token: "" }, ["remove"])).code, 0);
    assert.equal(github.page["cname"], null);
    assert.deepEqual((github.asked.at(-1) as unknown[]).slice(2), ["Bearer from-env", { cname: null }]);
  });

  it("is no reason to keep a stack whose page is gone at GitHub already", async () => {
    github.isGone = true;
    const { code, errors } = await run({ httpsEnforced: false }, ["remove"]);
    assert.equal(code, 0, errors);
  });
});
