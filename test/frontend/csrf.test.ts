/** The CSRF token of a session, which tabs share: renewed when the service refuses it. It needs no browser. */
import { strict as assert } from "node:assert";
import { Api, ApiError } from "../../frontend/js/transport/api.js";
import { Session } from "../../frontend/js/transport/session.js";
import { json, startScriptedApi, type Answer, type ScriptedApi } from "./support/scripted-api.ts";

/** How long the service takes to make a token, in ms. */
const MAKING_MS = 30;

describe("the CSRF token that tabs share", () => {
  let service: ScriptedApi;
  let tabs: { session: Session; api: Api }[];
  /** What the service takes at present; it changes when a test says so. */
  let valid: string;
  let underWay = 0;
  let mostAtOnce: number;

  const refuse: Answer = (_request, response) => {
    response.writeHead(403, { "content-type": "application/problem+json" });
    response.end(JSON.stringify({ type: "urn:omniai:problem:csrf-token-invalid", title: "refused" }));
  };

  beforeEach(async () => {
    [valid, mostAtOnce] = ["c1", 0];
    service = await startScriptedApi({
      "/api/auth/check": json({ mode: "session", authenticated: true, user: { id: "u1" }, scopes: [] }),
      "/api/auth/csrf": (request, response) => {
        underWay += 1;
        mostAtOnce = Math.max(mostAtOnce, underWay);
        setTimeout(() => {
          underWay -= 1;
          json({ csrfToken: valid })(request, response);
        }, MAKING_MS);
      },
      "/api/events": (request, response) => {
        const isValid = request.headers["x-csrf-token"] === valid;
        (isValid ? json({ id: "e-1-0" }) : refuse)(request, response);
      },
    });
    tabs = [];
    for (let n = 0; n < 3; n += 1) {
      const api = new Api(service.url);
      const session = new Session(api);
      await session.start();
      tabs.push({ api, session });
    }
  });
  afterEach(async () => {
    for (const { session } of tabs) session.stop();
    await service.close();
  });
  const asked = (path: string): number => service.asked.filter((each) => each.path === path).length;

  it("is fetched once for all of them, and handed on", () => {
    assert.deepEqual(
      tabs.map(({ api }) => api.credentials.csrfToken),
      ["c1", "c1", "c1"],
    );
    assert.equal(asked("/api/auth/csrf"), 1);
  });

  it("is renewed by one at a time when it is refused, and what was refused is sent once more by each", async () => {
    [valid, mostAtOnce] = ["c2", 0];
    const answers = await Promise.all(tabs.map(({ api }) => api.post("/api/events", {})));
    assert.deepEqual(answers, [{ id: "e-1-0" }, { id: "e-1-0" }, { id: "e-1-0" }]);
    assert.equal(mostAtOnce, 1);
    assert.equal(asked("/api/events"), 6);
    const [first] = tabs;
    await first?.api.post("/api/events", {});
    assert.equal(asked("/api/events"), 7, "the new token is kept");
  });

  it("is not asked for again and again where the service takes none", async () => {
    const [first] = tabs;
    service.routes["/api/events"] = refuse;
    const before = asked("/api/auth/csrf");
    await assert.rejects(
      () => first?.api.post("/api/events", {}) ?? Promise.resolve(),
      (error) => error instanceof ApiError && error.status === 403,
    );
    assert.deepEqual([asked("/api/events"), asked("/api/auth/csrf") - before], [2, 1]);
  });
});
