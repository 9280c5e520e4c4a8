/** The worker that looks at a stack from outside: what it tells of real servers, and how it is declared. */
import { strict as assert } from "node:assert";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { backupProblems, watch } from "../components/tunnel/watch/worker.mjs";
import { isSecret, record } from "./support/recorder.ts";
import { SECRETS, tunnelConfig } from "./support/tunnel-config.ts";

const SCRIPT = "cloudflare:index/workersScript:WorkersScript";
const TRIGGER = "cloudflare:index/workersCronTrigger:WorkersCronTrigger";
const config = {
  ...tunnelConfig,
  cloudflareWatch: true,
  cloudflareWatchSecretUrl: "https://canary.example/ping",
  cloudflareWatchSecretToken: "canary-token",
};
const SECRET_KEYS = [...SECRETS, "cloudflareWatchSecretUrl", "cloudflareWatchSecretToken"];

describe("the worker that looks from outside", () => {
  const servers: Server[] = [];
  const pings: { path: string; body: string }[] = [];
  /** How often the stack was asked. */
  let asked = 0;
  let env: Record<"ADDRESS" | "TELL" | "TOKEN" | "BACKUP_HOURS", string>;

  async function listen(listener: RequestListener): Promise<string> {
    const server = createServer(listener);
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }
  /** What the stack answers: to /readyz, and of its backups. */
  let ready: () => number;
  let backups: object;

  beforeEach(async () => {
    [ready, backups, asked] = [
      () => 200,
      { status: "pass", problems: [], newest: [{ kind: "base", ageSeconds: 60 }] },
      0,
    ];
    pings.length = 0;
    const stack = await listen((request, response) => {
      asked += 1;
      if (request.url === "/readyz") return response.writeHead(ready()).end("{}");
      // As the service does: who may not see the backups sees the rest.
      const mayAll = request.headers.authorization === "Bearer t";
      return response.writeHead(200).end(JSON.stringify({ status: "pass", ...(mayAll ? { backups } : {}) }));
    });
    const outside = await listen((request, response) => {
      let body = "";
      request.on("data", (part: Buffer) => (body += part.toString()));
      request.on("end", () => {
        pings.push({ path: request.url ?? "", body });
        response.writeHead(200).end();
      });
    });
    env = { ADDRESS: stack, TELL: `${outside}/ping/uuid`, TOKEN: "t", BACKUP_HOURS: "26" };
  });
  afterEach(() => {
    for (const server of servers.splice(0)) {
      server.closeAllConnections();
      server.close();
    }
  });

  it("gives a sign of life where all is well", async () => {
    assert.deepEqual(await watch(env, 1), []);
    assert.deepEqual(pings, [{ path: "/ping/uuid", body: "" }]);
  });

  it("says what a stack answers that is not ready, after three tries", async () => {
    ready = () => 503;
    await watch(env, 1);
    assert.equal(asked, 3);
    assert.deepEqual(pings, [{ path: "/ping/uuid/fail", body: `${env.ADDRESS}: /readyz answers 503` }]);
  });

  it("says nothing of what passes within its tries", async () => {
    ready = () => (asked === 1 ? 502 : 200);
    assert.deepEqual(await watch(env, 1), []);
    assert.deepEqual(
      pings.map(({ path }) => path),
      ["/ping/uuid"],
    );
  });

  it("says so where nobody answers", async () => {
    await watch({ ...env, ADDRESS: "http://127.0.0.1:1" }, 1);
    assert.equal(pings[0]?.path, "/ping/uuid/fail");
  });

  it("says how old the newest verified backup is, and looks at none without a token", async () => {
    backups = { status: "pass", problems: [], newest: [{ kind: "dump", ageSeconds: 27 * 3600 }] };
    await watch(env, 1);
    assert.deepEqual(pings, [
      { path: "/ping/uuid/fail", body: "the newest verified backup (dump) is 27 h old" },
    ]);
    assert.deepEqual(await watch({ ...env, TOKEN: "" }, 1), []);
    assert.match((await watch({ ...env, TOKEN: "other" }, 1)).join(), /needs the scope diag:read/);
  });

  it("judges backups by what the service says of them", () => {
    assert.deepEqual(backupProblems({ status: "absent" }, 26), []);
    assert.equal(backupProblems({ status: "unknown" }, 26).length, 1);
    assert.deepEqual(backupProblems({ status: "fail", newest: [], problems: ["the disk is full"] }, 26), [
      "there is no verified backup",
      "the disk is full",
    ]);
  });

  it("fails where nobody can be told, which its log shows and the missing ping too", async () => {
    await assert.rejects(watch({ ...env, TELL: `${env.ADDRESS.replace(/\d+$/, "1")}/x` }, 1));
  });

  it("is declared with the first host name and its secrets as such, every two minutes", async () => {
    const program = await record("prod", config, SECRET_KEYS);
    const [script] = program.of(SCRIPT);
    const bindings = script?.inputs["bindings"];
    assert.ok(isSecret(bindings) || JSON.stringify(bindings).includes("4dabf18193072939515e22adb298388d"));
    const [trigger] = program.of(TRIGGER);
    assert.deepEqual(trigger?.inputs["schedules"], [{ cron: "*/2 * * * *" }]);
    assert.match(String(script?.inputs["scriptName"]), /^omniai-prod-watch-[0-9a-f]{6}$/);
    assert.equal(script?.inputs["mainModule"], "worker.mjs");
    assert.match(String(script?.inputs["content"]), /export default/);
  });

  it("is not there unless it is asked for, and goes before the tunnel does", async () => {
    assert.deepEqual((await record("prod", tunnelConfig, SECRETS)).of(SCRIPT), []);
    assert.deepEqual((await record("prod", { ...config, tunnelClosing: true }, SECRET_KEYS)).of(SCRIPT), []);
  });
});
