/** Which requests count as failed, and what reports make of it. It needs no browser. */
import { strict as assert } from "node:assert";
import { Reporter } from "../../frontend/js/reporter.js";
import { withoutSecrets } from "../../frontend/js/secrets.js";
import { Api } from "../../frontend/js/transport/api.js";
import { json, startScriptedApi, status, type ScriptedApi } from "./support/scripted-api.ts";

const REPORTS = "/api/diag/client-reports";

interface Report {
  readonly errors: readonly { readonly message: string; readonly count: number }[];
}

describe("requests of a page that fail", () => {
  let service: ScriptedApi;
  let api: Api;
  let reporter: Reporter;
  let failures: string[];
  let reports: Report[];

  beforeEach(async () => {
    [failures, reports] = [[], []];
    service = await startScriptedApi({
      "/good": json({}),
      "/bad": status(503),
      "/silent": () => undefined,
      "/cut": (request) => request.socket.destroy(),
      [REPORTS]: (request, response) => {
        let text = "";
        request.on("data", (chunk: Buffer) => (text += chunk.toString()));
        request.on("end", () => {
          reports.push(JSON.parse(text) as Report);
          json({ status: "stored" })(request, response);
        });
      },
    });
    api = new Api(service.url);
    reporter = new Reporter(api, "page-of-the-test", (text) => withoutSecrets(text, ["ada"]));
    api.onFailure = ({ method, path, what }) => {
      failures.push(`${method} ${path}: ${what}`);
      reporter.error({ kind: "network", text: `${method} ${path}: ${what}`, path });
    };
  });
  afterEach(() => service.close());
  const get = (path: string, options: Parameters<Api["request"]>[1] = {}): Promise<unknown> =>
    api.request(path, options).catch(() => undefined);

  it("are told with what they asked for, without the query, and why they failed", async () => {
    await get("/good?token=secret");
    await get("/bad?token=secret", { method: "POST" });
    await get("/cut");
    await get("/silent", { signal: AbortSignal.timeout(50) });
    assert.deepEqual(failures, ["POST /bad: 503", "GET /cut: no answer", "GET /silent: no answer"]);
  });

  it("are those, too, to which something else answers, and those of which a part arrives", async () => {
    service.routes["/portal"] = (_request, response) =>
      void response.writeHead(200, { "content-type": "text/html" }).end("<h1>Sign in to the network</h1>");
    service.routes["/part"] = (_request, response) => {
      response.writeHead(200, { "content-type": "application/json", "content-length": "100" });
      response.write('{"a":', () => response.destroy());
    };
    service.routes["/short"] = (_request, response) =>
      void response.writeHead(200, { "content-type": "application/json" }).end('{"a":');
    for (const path of ["/portal", "/part", "/short"]) await api.get(path).catch(() => undefined);
    await get("/portal", { type: /^text\/event-stream/ });
    assert.deepEqual(failures, [
      "GET /portal: something else answers",
      "GET /part: no answer",
      "GET /short: a part of an answer",
      "GET /portal: something else answers",
    ]);
  });

  it("are not those that want a login, that another CSRF token mends, or whose refusal is expected", async () => {
    service.routes["/login"] = status(401);
    service.routes["/older"] = status(404);
    service.routes["/csrf"] = (request, response) => {
      const isValid = request.headers["x-csrf-token"] === "new";
      response.writeHead(isValid ? 200 : 403, { "content-type": "application/problem+json" });
      response.end(JSON.stringify({ type: "urn:omniai:problem:csrf-token-invalid" }));
    };
    api.credentials = { csrfToken: "old" };
    api.renewCsrf = () => Promise.resolve((api.credentials = { csrfToken: "new" }));
    await get("/login", { method: "POST" });
    await api.post("/csrf", {});
    await get("/older", { expected: [404] });
    assert.deepEqual(failures, []);
    api.renewCsrf = () => Promise.resolve((api.credentials = { csrfToken: "wrong" }));
    api.credentials = {};
    await api.post("/csrf", {}).catch(() => undefined);
    await get("/older");
    assert.deepEqual(failures, ["POST /csrf: 403", "GET /older: 404"]);
  });

  it("are not those that were given up, and not those that were to fail", async () => {
    const given = new AbortController();
    const asked = get("/silent", { signal: given.signal });
    given.abort();
    await asked;
    await get("/bad", { isTrial: true });
    assert.deepEqual(failures, []);
  });

  it("are reported by kind, with their number, and wait where a report does not get through", async () => {
    for (let n = 0; n < 3; n += 1) await get(`/bad?n=${n}`);
    const taken = service.routes[REPORTS];
    for (const refusal of [status(503), status(429), status(503)]) {
      service.routes[REPORTS] = refusal;
      await reporter.send(false);
    }
    assert.ok(taken);
    service.routes[REPORTS] = taken;
    await get("/cut");
    await reporter.send(false);
    const kinds = reports.map(({ errors }) => errors.map(({ message, count }) => `${count} × ${message}`));
    assert.deepEqual(kinds, [["3 × network: GET /bad: 503", "1 × network: GET /cut: no answer"]]);
    await reporter.send(false);
    assert.equal(reports.length, 1, "the reports that failed are no news themselves");
  });

  it("are forgotten where the service says that the report is wrong: it would be wrong again", async () => {
    await get("/bad");
    service.routes[REPORTS] = status(400);
    await reporter.send(false);
    const before = service.asked.length;
    await reporter.send(false);
    assert.equal(service.asked.length, before);
  });

  it("are not reported where the user does not want it", async () => {
    reporter.turn(false);
    await get("/bad");
    await reporter.send(false);
    reporter.turn(true);
    await reporter.send(false);
    assert.deepEqual(reports, []);
  });

  it("lose what looks like a credential, and the user's name, before they are cut to their length", async () => {
    const text = `${"x".repeat(480)} Bearer abc.def for ada`;
    reporter.error({ kind: "console", text });
    reporter.error({
      kind: "error",
      text: "https://ada:secret@example.org/?token=abc",
      source: "/app.js",
      line: 1,
    });
    reporter.lost(`${"x".repeat(190)} Bearer abc.def for ada`);
    await reporter.send(false);
    const sent = JSON.stringify(reports);
    assert.match(sent, /\[removed\]/);
    assert.doesNotMatch(sent, /abc|secret|ada/);
    assert.equal(reports[0]?.errors[0]?.message.length, 500);
  });
});
