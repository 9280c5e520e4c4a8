/** The connection as a whole, against an API over real HTTP that answers what the test wants. It needs no browser. */
import { strict as assert } from "node:assert";
import { ConnectionManager } from "../../frontend/js/transport/connection-manager.js";
import { eventually } from "../../service/test/support/wait.ts";
import {
  json,
  pretendPage,
  startScriptedApi,
  status,
  stream,
  type ScriptedApi,
} from "./support/scripted-api.ts";

const heartbeat = (id: string): string => `id: ${id}\nevent: hb\ndata: {}\n\n`;

describe("a connection", () => {
  let api: ScriptedApi;
  let connections: ConnectionManager[];
  let endPage: () => void;

  before(() => (endPage = pretendPage()));
  after(() => endPage());
  beforeEach(async () => {
    connections = [];
    let tokens = 0;
    const login = (): object => {
      tokens += 1;
      return { accessToken: `a${tokens}`, refreshToken: `r${tokens}`, expiresIn: 900 };
    };
    api = await startScriptedApi({
      "/api/auth/check": (request, response) => {
        const user = { authenticated: true, user: { id: "u1", name: "u" }, scopes: ["events:read"] };
        const who = request.headers.authorization ? user : { authenticated: false };
        json({ mode: "token", ...who })(request, response);
      },
      "/api/auth/login": (request, response) => json(login())(request, response),
      "/api/auth/refresh": (request, response) => json(login())(request, response),
      "/api/auth/logout": json({}),
      "/api/events": stream(heartbeat("a-5-0")),
    });
  });
  afterEach(async () => {
    for (const connection of connections) connection.stop();
    await api.close();
  });

  const open = (options: ConstructorParameters<typeof ConnectionManager>[0] = {}): ConnectionManager => {
    const connection = new ConnectionManager({ url: api.url, measureSeconds: 0, ...options });
    connections.push(connection);
    connection.start();
    return connection;
  };
  const is = (connection: ConnectionManager, state: string): Promise<void> =>
    eventually(state, () => connection.state.state === state);
  const asks = (path: string): ScriptedApi["asked"] => api.asked.filter((each) => each.path === path);
  const streams = (): (string | undefined)[] => asks("/api/events").map(({ bearer }) => bearer);

  for (const topics of [["public.news"], undefined])
    it(`is opened anew for whoever signs in or out, with ${topics ? "topics of the page's own" : "the service's topics"}`, async () => {
      const connection = open({ topics });
      await is(connection, "live");
      await connection.session.login("u", "p");
      await eventually("a stream of the user", () => streams().length === 2);
      await is(connection, "live");
      // The same user with other tokens is no other reader.
      await connection.session.renew();
      await connection.session.logout();
      await eventually("a stream of nobody", () => streams().length === 3);
      assert.deepEqual(streams(), [undefined, "Bearer a1", undefined]);
    });

  it("has a user's own events also where another tab leads and the login came true only later", async () => {
    const own = "id: a-6-0\nevent: mail\ndata: 1\n\n";
    api.routes["/api/events"] = (request, response) => {
      const isUser = request.headers.authorization !== undefined;
      stream(heartbeat("a-5-0") + (isUser ? own : ""))(request, response);
    };
    const leader = open();
    await eventually("a leader", () => leader.state.isLeading);
    const other = open();
    await is(other, "live");
    const had: string[] = [];
    other.on("event", ({ id }) => had.push(id));
    const check = api.routes["/api/auth/check"];
    assert.ok(check);
    api.routes["/api/auth/check"] = status(503);
    await assert.rejects(other.session.login("u", "p"));
    api.routes["/api/auth/check"] = check;
    await eventually("the user's own event", () => had.length > 0);
    assert.deepEqual([had, other.state.isLeading], [["a-6-0"], false]);
    assert.equal(asks("/api/events").at(-1)?.query.get("topics"), "public.*,user.u1.*");
  });

  it("tells once who is there, also in a tab that has heard it from another one", async () => {
    const first = open();
    await first.session.login("u", "p");
    const second = open();
    const told: boolean[] = [];
    second.on("session", ({ authenticated }) => told.push(authenticated));
    await is(second, "live");
    assert.deepEqual(told, [true]);
  });

  for (const what of ["locks", "channels"])
    it(`is had by each tab alone where the browser refuses ${what}, because the site's storage is blocked`, async () => {
      const refusal = new DOMException("Access is denied in this context.", "SecurityError");
      const Channel = globalThis.BroadcastChannel;
      const { locks } = navigator;
      if (what === "locks")
        Object.defineProperty(locks, "request", { value: () => Promise.reject(refusal), configurable: true });
      else
        globalThis.BroadcastChannel = class {
          constructor() {
            throw refusal;
          }
        } as unknown as typeof Channel;
      try {
        const connection = open();
        await is(connection, "live");
        assert.equal(connection.state.isLeading, true);
        await connection.session.login("u", "p");
        assert.equal(await connection.session.renew(), true);
        assert.equal(connection.api.credentials.accessToken, "a2");
      } finally {
        globalThis.BroadcastChannel = Channel;
        Reflect.deleteProperty(locks, "request");
      }
    });

  it("polls alone where it is told so, no longer than it is told, and at once again after an outage", async () => {
    const poll = "/api/events/poll";
    const empty = { next: "a-5-0", events: [], more: false };
    api.routes[poll] = (request, response) => setTimeout(() => json(empty)(request, response), 50);
    const connection = open({ streams: false, pollSeconds: 7 });
    await is(connection, "degraded");
    const waits = (): (string | null)[] => asks(poll).map(({ query }) => query.get("wait"));
    await eventually("three polls", () => waits().length >= 3);
    assert.deepEqual(waits().slice(0, 3), ["0", "7", "7"]);
    const before = asks(poll).length;
    const answer = api.routes[poll];
    api.routes[poll] = status(503);
    await eventually("an outage", () => (connection.state.failures ?? 0) >= 2);
    api.routes[poll] = answer;
    await is(connection, "degraded");
    const after = waits().slice(before);
    assert.ok(after.includes("0"), "the first poll that works again does not wait for an event");
    assert.equal(streams().length, 0);
  });

  it("tells once that nobody is signed in, also where it knew how people do", async () => {
    for (const authMode of [undefined, "token"]) {
      const connection = new ConnectionManager({ url: api.url, measureSeconds: 0, shared: false, authMode });
      connections.push(connection);
      assert.equal(connection.session.isNeeded, authMode === "token");
      const told: boolean[] = [];
      connection.on("session", ({ authenticated }) => told.push(authenticated));
      connection.start();
      await is(connection, "live");
      await connection.session.check();
      assert.deepEqual([told, connection.session.isNeeded], [[false], true]);
    }
  });

  describe("that catches up beside the tab that leads", () => {
    const POLL = "/api/events/poll";
    const batch = { next: "a-5-0", events: [{ id: "a-3-0", type: "missed", data: 1 }], more: false };
    /** A tab that leads and has had all, and one that lacks a part; `had` is what that one got. */
    const openBoth = async (): Promise<{
      leader: ConnectionManager;
      late: ConnectionManager;
      had: string[];
    }> => {
      const leader = open({ cursor: "a-5-0" });
      await eventually("a leader", () => leader.state.isLeading);
      const late = open({ cursor: "a-1-0" });
      const had: string[] = [];
      late.on("event", ({ id }) => had.push(id));
      return { leader, late, had };
    };

    it("asks for what it lacks only when the service is there", async () => {
      Object.assign(api.routes, { "/api/events": status(503), [POLL]: status(503) });
      const { leader, late, had } = await openBoth();
      await eventually("attempts in vain", () => (late.state.failures ?? 0) > 0);
      // The leader has to say all of it more than once, as it does to each question of a tab.
      await new Promise((resolve) => void setTimeout(resolve, 1500));
      // The tab that leads may try to poll, from where it is.
      const questions = asks(POLL).filter(({ query }) => query.get("after") === "a-1-0");
      assert.deepEqual([had, questions], [[], []]);
      api.routes[POLL] = json(batch);
      api.routes["/api/events"] = stream(heartbeat("a-5-0"));
      leader.wake();
      await eventually("what it lacks", () => had.length > 0);
      assert.deepEqual(had, ["a-3-0"]);
    });

    it("waits as long as a busy service says", async () => {
      api.routes[POLL] = status(429, { "retry-after": "60" });
      await openBoth();
      await eventually("a question", () => asks(POLL).length > 0);
      await new Promise((resolve) => void setTimeout(resolve, 4500));
      assert.equal(asks(POLL).length, 1);
    });

    it("renews the login that has run out", async () => {
      api.routes[POLL] = (request, response) =>
        (request.headers.authorization === "Bearer a1" ? status(401) : json(batch))(request, response);
      const { leader } = await openBoth();
      await leader.session.login("u", "p");
      const later = open({ cursor: "a-1-0" });
      const had: string[] = [];
      later.on("event", ({ id }) => had.push(id));
      await eventually("what it lacks", () => had.length > 0);
      assert.equal(asks(POLL).at(-1)?.bearer, "Bearer a2");
    });
  });
});
