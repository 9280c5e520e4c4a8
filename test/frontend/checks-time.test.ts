/** How long "Test everything" waits, where a service takes requests and does not answer them. It needs no browser. */
import { strict as assert } from "node:assert";
import { runChecks } from "../../frontend/js/diag/checks.js";
import { ConnectionManager } from "../../frontend/js/transport/connection-manager.js";
import {
  json,
  pretendPage,
  startScriptedApi,
  status,
  type Answer,
  type ScriptedApi,
} from "./support/scripted-api.ts";

const silent: Answer = () => undefined;
/** As the checks say it: "There was no answer within 8 s." */
const SECONDS = 8;
/** How much sooner a limit is over here. */
const HASTE = 20;
/** Each asks for something else in its own way. */
const SLOW = ["The version of this page", "Diagnostics", "CSRF token"];

describe("Test everything, where the service does not answer", () => {
  const timeout = AbortSignal.timeout.bind(AbortSignal);
  let api: ScriptedApi;
  let restore: () => void;
  before(async () => {
    restore = pretendPage();
    api = await startScriptedApi({
      "/healthz": status(200),
      "/api/auth/check": json({ authenticated: true, mode: "session", user: { id: "1" }, scopes: [] }),
      "/api/auth/csrf": json({ csrfToken: "token" }),
    });
  });
  after(async () => {
    AbortSignal.timeout = timeout;
    restore();
    await api.close();
  });

  it("waits no longer than it says, and takes what it tried for no failure of the page", async () => {
    const connection = new ConnectionManager({ url: api.url, shared: false, authMode: "session" });
    await connection.session.check();
    for (const path of ["/api/diag/health-summary", "/api/diag", "/api/auth/csrf"]) api.routes[path] = silent;
    let running = "";
    const failures: string[] = [];
    connection.api.onFailure = () => void failures.push(running);
    const limits: [string, number][] = [];
    AbortSignal.timeout = (ms) => {
      limits.push([running, ms / 1000]);
      return timeout(ms / HASTE);
    };
    const results: string[][] = [];
    const place = { connection, config: { apiBaseUrl: api.url, features: { stream: false } } };
    await runChecks(place as never, (name) => {
      running = name;
      return ({ status: result, text }) => void results.push([name, result, text]);
    });
    assert.deepEqual(
      results.filter(([name = ""]) => SLOW.includes(name)),
      SLOW.map((name) => [name, "fail", `There was no answer within ${SECONDS} s.`]),
    );
    assert.deepEqual(
      limits.filter(([name]) => SLOW.includes(name)),
      SLOW.map((name) => [name, SECONDS]),
    );
    assert.deepEqual(
      failures.filter((name) => SLOW.includes(name)),
      [],
    );
  });
});
