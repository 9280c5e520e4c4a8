/** The connection as a whole, against an API over real HTTP that answers what the test wants. It needs no browser. */
import { strict as assert } from "node:assert";
import { ConnectionManager } from "../../frontend/js/transport/connection-manager.js";
import { eventually } from "../../service/test/support/wait.ts";
import { json, pretendPage, startScriptedApi, stream, type ScriptedApi } from "./support/scripted-api.ts";

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
    eventually(state, () => connection.state.state === state, 5000);
  const asks = (path: string): ScriptedApi["asked"] => api.asked.filter((each) => each.path === path);
  const streams = (): (string | undefined)[] => asks("/api/events").map(({ bearer }) => bearer);

  for (const topics of [["public.news"], undefined])
    it(`is opened anew for whoever signs in or out, with ${topics ? "topics of the page's own" : "the service's topics"}`, async () => {
      const connection = open({ topics });
      await is(connection, "live");
      await connection.session.login("u", "p");
      await eventually("a stream of the user", () => streams().length === 2, 5000);
      await is(connection, "live");
      // The same user with other tokens is no other reader.
      await connection.session.renew();
      await connection.session.logout();
      await eventually("a stream of nobody", () => streams().length === 3, 5000);
      assert.deepEqual(streams(), [undefined, "Bearer a1", undefined]);
    });
});
