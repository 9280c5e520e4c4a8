/** Signing in and out where the network takes an answer, against an API over real HTTP. It needs no browser. */
import { strict as assert } from "node:assert";
import { setTimeout as sleep } from "node:timers/promises";
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

  it("goes on with tokens, and tells all tabs, where it comes out only later that the cookie was not kept", async () => {
    const other = new Session(new Api(service.url));
    const who: Answer = (request, response) => {
      const user = request.headers.authorization
        ? { authenticated: true, user: { id: "u1", name: "ada" } }
        : { authenticated: false };
      json({ mode: "both", ...user, scopes: [] })(request, response);
    };
    service.routes["/api/auth/check"] = who;
    try {
      await other.start();
      service.routes["/api/auth/check"] = lost;
      service.routes["/api/auth/login"] = inTurn(
        json({ csrfToken: "c" }),
        json({ accessToken: "a", refreshToken: "r", expiresIn: 900 }),
      );
      await assert.rejects(session.login("ada", "p"), TypeError);
      service.routes["/api/auth/check"] = who;
      await eventually("signed in, in both tabs", () =>
        [session, other].every(({ state }) => state.authenticated),
      );
      assert.deepEqual([session.isCookieLost, asked("/api/auth/login")], [true, 2]);
    } finally {
      other.stop();
    }
  });

  it("is not finished by an answer that comes after the user has signed out again", async () => {
    service.routes["/api/auth/check"] = inTurn(
      lost,
      lost,
      lost,
      json({ mode: "both", authenticated: false }),
    );
    await assert.rejects(session.login("ada", "p"), TypeError);
    await session.logout();
    const before = asked("/api/auth/check");
    await eventually("an answer", () => asked("/api/auth/check") > before);
    await sleep(200);
    assert.deepEqual([session.isCookieLost, asked("/api/auth/login")], [false, 1]);
  });

  it("finds out later that it is signed in where only the answers to the login were lost", async () => {
    service.routes["/api/auth/login"] = (request, response) => {
      isIn = true;
      lost(request, response);
    };
    service.routes["/api/auth/csrf"] = json({ csrfToken: "c" });
    await assert.rejects(session.login("ada", "p"), TypeError);
    await eventually("signed in", () => session.state.authenticated);
  });

  it("asks as late as a busy service wants, and not at all once it is stopped", async () => {
    service.routes["/api/auth/check"] = status(503, { "retry-after": "60" });
    const busy = new Session(new Api(service.url));
    const stopped = new Session(new Api(service.url));
    try {
      await busy.start();
      const underWay = Promise.withResolvers<void>();
      const held = Promise.withResolvers<void>();
      service.routes["/api/auth/check"] = (request, response) => {
        underWay.resolve();
        void held.promise.then(() => lost(request, response));
      };
      const starting = stopped.start();
      await underWay.promise;
      stopped.stop();
      held.resolve();
      await starting;
      const before = asked("/api/auth/check");
      await sleep(3500);
      assert.equal(asked("/api/auth/check"), before);
    } finally {
      busy.stop();
    }
  });

  it("does not have a person wait for as long as a busy service wants", async () => {
    service.routes["/api/auth/login"] = status(503, { "retry-after": "60" });
    await assert.rejects(session.login("ada", "p"), ApiError);
    assert.equal(asked("/api/auth/login"), 1);
  });

  for (const how of ["here", "in another tab"])
    it(`forgets after a sign-out ${how} that the browser did not keep a cookie`, async () => {
      service.routes["/api/auth/check"] = json({ mode: "session", authenticated: false });
      await session.login("ada", "p");
      assert.equal(session.isCookieLost, true);
      const other = new Session(new Api(service.url));
      try {
        await other.start();
        await (how === "here" ? session : other).logout();
        await eventually("forgotten", () => !session.isCookieLost);
      } finally {
        other.stop();
      }
    });

  it("has no cookie to lose where logins are tokens", async () => {
    service.routes["/api/auth/check"] = json({ mode: "token", authenticated: false });
    await session.login("ada", "p");
    assert.equal(session.isCookieLost, false);
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
