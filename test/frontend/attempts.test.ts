/** Signing in and out where the network takes an answer, against an API over real HTTP. It needs no browser. */
import { strict as assert } from "node:assert";
import { Api, ApiError } from "../../frontend/js/transport/api.js";
import { Session } from "../../frontend/js/transport/session.js";
import { eventually } from "../../service/test/support/wait.ts";
import { json, startScriptedApi, status, type Answer, type ScriptedApi } from "./support/scripted-api.ts";

/** The connection ends before there is an answer, as when the device changes its network. */
const lost: Answer = (request) => void request.socket.destroy();

describe("signing in and out over a network that takes answers", () => {
  let service: ScriptedApi;
  let session: Session;
  let isIn: boolean;

  const check: Answer = (request, response) =>
    json({ mode: "session", authenticated: isIn, user: { id: "u1", name: "ada" }, scopes: [] })(
      request,
      response,
    );
  const login: Answer = (request, response) => {
    isIn = true;
    json({ csrfToken: "c" })(request, response);
  };
  /** These answers first, in their order, and then always the last one. */
  const inTurn = (...answers: Answer[]): Answer => {
    const left = [...answers];
    return (request, response) => (left.length > 1 ? left.shift() : left[0])?.(request, response);
  };
  const asked = (path: string): number => service.asked.filter((each) => each.path === path).length;

  beforeEach(async () => {
    isIn = false;
    service = await startScriptedApi({
      "/api/auth/check": check,
      "/api/auth/login": login,
      "/api/auth/logout": (request, response) => {
        isIn = false;
        json({})(request, response);
      },
    });
    session = new Session(new Api(service.url));
    await session.start();
  });
  afterEach(async () => {
    session.stop();
    await service.close();
  });

  for (const [what, answer] of [
    ["got no answer", lost],
    ["met a busy service", status(503, { "retry-after": "1" })],
  ] as const)
    it(`signs in with the next attempt where one ${what}`, async () => {
      service.routes["/api/auth/login"] = inTurn(answer, login);
      await session.login("ada", "p");
      assert.deepEqual([session.state.authenticated, asked("/api/auth/login")], [true, 2]);
    });

  for (const code of [401, 429])
    it(`sends a password once that is refused with ${code}`, async () => {
      service.routes["/api/auth/login"] = status(code);
      await assert.rejects(
        session.login("ada", "p"),
        (error) => error instanceof ApiError && error.status === code,
      );
      assert.equal(asked("/api/auth/login"), 1);
    });

  it("asks again who is there after it has signed in", async () => {
    service.routes["/api/auth/check"] = inTurn(lost, lost, check);
    await session.login("ada", "p");
    assert.deepEqual([session.state.authenticated, asked("/api/auth/login")], [true, 1]);
  });

  it("is signed in as soon as the service says so, also when that is long after its login", async () => {
    service.routes["/api/auth/check"] = lost;
    await assert.rejects(session.login("ada", "p"), TypeError);
    assert.equal(session.state.authenticated, false);
    service.routes["/api/auth/check"] = check;
    await eventually("signed in", () => session.state.authenticated);
    assert.equal(asked("/api/auth/login"), 1);
  });

  it("gives up after three attempts, and says so", async () => {
    service.routes["/api/auth/login"] = lost;
    await assert.rejects(session.login("ada", "p"), TypeError);
    assert.equal(asked("/api/auth/login"), 3);
  });

  it("signs out with the next attempt where one got no answer", async () => {
    await session.login("ada", "p");
    const logout = service.routes["/api/auth/logout"];
    assert.ok(logout);
    service.routes["/api/auth/logout"] = inTurn(lost, logout);
    await session.logout();
    assert.deepEqual([session.state.authenticated, isIn], [false, false]);
  });
});
