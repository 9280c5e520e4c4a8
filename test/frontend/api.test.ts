/** Which requests count as failed, and what reports make of it. It needs no browser. */
import { strict as assert } from "node:assert";
import { Reporter } from "../../frontend/js/reporter.js";
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
    reporter = new Reporter(api, "page-of-the-test", () => "ada");
    api.onFailure = ({ method, path, status: code }) => {
      failures.push(`${method} ${path} ${code}`);
      reporter.error({ kind: "network", text: `${method} ${path}: ${code ?? "no answer"}`, path });
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
    assert.deepEqual(failures, ["POST /bad 503", "GET /cut undefined", "GET /silent undefined"]);
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
    await reporter.send(false);
    const sent = JSON.stringify(reports);
    assert.match(sent, /\[removed\]/);
    assert.doesNotMatch(sent, /abc|secret|ada/);
    assert.equal(reports[0]?.errors[0]?.message.length, 500);
  });
});
