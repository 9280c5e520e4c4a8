/** `npm run dev` as a person runs it. */
import { strict as assert } from "node:assert";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, utimesSync } from "node:fs";
import { get as httpGet, type IncomingMessage } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectionsSchema, diagSchema, summarySchema } from "../../src/diag/schema.ts";
import { eventually, post, statusOf } from "../support/instance.ts";
import { SseClient } from "../support/sse.ts";

const ROOT = new URL("../../", import.meta.url).pathname;

interface Dev {
  readonly child: ChildProcess;
  readonly url: string;
  readonly output: () => string;
  readonly exit: Promise<unknown[]>;
}

describe("npm run dev", function () {
  // PGlite makes its first database in seconds, on a busy machine in many.
  this.timeout(120_000);
  const folder = mkdtempSync(join(tmpdir(), "omniai-dev-"));
  const children = new Set<ChildProcess>();

  /** Nothing but npm's packages: no PATH to Docker or anything else. */
  const start = async (mode = "none"): Promise<Dev> => {
    const env = {
      PATH: "",
      OMNIAI_DEV_FOLDER: folder,
      OMNIAI_PORT: "0",
      OMNIAI_INTERNAL_PORT: "0",
      OMNIAI_AUTH_MODE: mode,
    };
    const child = spawn(process.execPath, [join(ROOT, "dev/main.ts")], { env, stdio: "pipe" });
    children.add(child);
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (chunk: Buffer) => (output += chunk.toString()));
    }
    const exit = once(child, "exit");
    const url = (): string => /dev: (http:\/\/127\.0\.0\.1:\d+)\/ /.exec(output)?.[1] ?? "";
    await eventually("URL printed", () => url() !== "" || child.exitCode !== null, 100_000);
    assert.notEqual(url(), "", output);
    await eventually("ready", async () => (await statusOf(`${url()}/readyz`)) === 200);
    return { child, url: url(), output: () => output, exit };
  };
  const isGone = (url: string): Promise<boolean> =>
    fetch(url).then(
      () => false,
      () => true,
    );

  after(() => {
    for (const child of children) child.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  });

  let last = "";

  it("serves everything, says what is not there, and goes on where it was after a change of the source", async () => {
    const { child, url, output, exit } = await start();
    const get = async (path: string): Promise<unknown> => (await fetch(`${url}${path}`)).json();
    const diag = diagSchema.parse(await get("/api/diag"));
    assert.equal(diag.status, "pass");
    assert.equal(diag.database.status, "pass");
    assert.equal(diag.database.statStatements, false);
    assert.deepEqual(diag.database.migrations?.pending, []);
    assert.deepEqual(diag.redis, { status: "absent" });
    const page = await fetch(`${url}/`);
    assert.match(page.headers.get("content-type") ?? "", /^text\/html/);
    assert.match(page.headers.get("content-security-policy") ?? "", /script-src 'self'.*connect-src 'self'/);
    const { pageVersion, ...config } = (await get("/runtime-config.json")) as Record<string, string>;
    assert.deepEqual(config, { apiBaseUrl: "/", authMode: "none", stack: "dev" });
    assert.match(await (await fetch(`${url}/js/version.js`)).text(), new RegExp(`"${pageVersion}"`));
    assert.equal(await statusOf(`${url}/package.json`), 404);
    // A page of another site whose name points here.
    const [foreign] = (await once(httpGet(url, { headers: { host: "elsewhere.example" } }), "response")) as [
      IncomingMessage,
    ];
    foreign.resume();
    assert.equal(foreign.statusCode, 421);
    assert.equal(summarySchema.parse(await get("/api/diag/health-summary")).status, "pass");
    const report = await fetch(`${url}/api/diag/client-reports`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ client: "page-of-dev", latency: { samples: 1, p50Ms: 1, p95Ms: 2, maxMs: 3 } }),
    });
    assert.equal(report.status, 202);

    const client = await new SseClient(`${url}/api/events`).joined();
    assert.equal(connectionsSchema.parse(await get("/api/diag/connections")).streams, 1);
    const key = { "idempotency-key": "once-in-development" };
    const first = await post({ url }, { type: "n", data: 1 }, key);
    assert.equal(first.status, 201);
    await client.until("the event", ({ published }) => published.at(-1)?.id === first.id);
    // As an editor that saves a file without a change.
    utimesSync(join(ROOT, "src/main.ts"), new Date(), new Date());
    assert.equal(await client.ended, "end", "a farewell, not a cut");
    assert.equal(client.parser.events.at(-1)?.event, "bye");
    await eventually("started anew", () => output().split("dev: http").length === 3, 30_000);
    assert.match(output(), /dev: main\.ts changed/);
    await eventually("ready again", async () => (await statusOf(`${url}/readyz`)) === 200);

    assert.equal((await post({ url }, { type: "n", data: 1 }, key)).id, first.id, "the same event");
    const second = await post({ url }, { type: "n", data: 2 });
    const resumed = await new SseClient(`${url}/api/events?last_event_id=${first.id}`).joined();
    await resumed.until("what was missed", ({ published }) => published.length > 0);
    assert.deepEqual(
      resumed.published.map(({ id }) => id),
      [second.id],
    );
    assert.deepEqual(resumed.resets, []);
    last = first.id;

    child.kill("SIGTERM");
    assert.deepEqual(await exit, [0, null]);
    assert.ok(await isGone(url), "no orphan");
  });

  it("keeps its data between runs, also after it was killed; nothing of it outlives it", async () => {
    const killed = await start();
    const added = await post(killed, { type: "n", data: 3 });
    killed.child.kill("SIGKILL");
    await killed.exit;
    await eventually("no orphan", () => isGone(killed.url));

    const { url, child, exit } = await start();
    const resumed = await new SseClient(`${url}/api/events?last_event_id=${last}`).joined();
    await resumed.until("what was missed", ({ published }) => published.at(-1)?.id === added.id);
    assert.equal(resumed.published.length, 2);
    assert.deepEqual(resumed.resets, []);
    const { quality } = diagSchema.parse(await (await fetch(`${url}/api/diag`)).json());
    assert.ok((quality?.reports ?? 0) >= 1, "the report of the run before");
    child.kill("SIGINT");
    assert.deepEqual(await exit, [0, null]);
    assert.ok(await isGone(url), "no orphan");
  });

  it("has a first user who may log in and post, with the password that it prints, the next day too", async () => {
    let password: string | undefined;
    // Nothing set: the mode that a person gets.
    for (const run of [1, 2]) {
      const { url, child, output, exit } = await start("");
      const printed = /log in as dev with the password (\S+)/.exec(output())?.[1];
      password ??= printed;
      assert.equal(printed, password, `run ${run}`);
      assert.equal((await post({ url }, { type: "n", data: 4 })).status, 401);
      const login = await fetch(`${url}/api/auth/login`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ username: "dev", password, kind: "token" }),
      });
      assert.equal(login.status, 200, await login.clone().text());
      const { accessToken } = (await login.json()) as { accessToken: string };
      const authorization = { authorization: `Bearer ${accessToken}` };
      assert.equal((await post({ url }, { type: "n", data: 4 }, authorization)).status, 201);
      child.kill("SIGTERM");
      assert.deepEqual(await exit, [0, null]);
    }
  });

  it("says why it cannot start, and leaves nothing behind", async () => {
    const env = { PATH: "", OMNIAI_DEV_FOLDER: folder, OMNIAI_PORT: "http" };
    const child = spawn(process.execPath, [join(ROOT, "dev/main.ts")], { env, stdio: "pipe" });
    children.add(child);
    let output = "";
    child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
    child.stderr.resume();
    assert.deepEqual(await once(child, "exit"), [1, null]);
    assert.match(output, /OMNIAI_PORT/);
    assert.equal(existsSync(join(folder, "lock")), false, "no lock");
  });
});
