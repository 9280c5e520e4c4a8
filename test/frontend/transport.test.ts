/** The transport's modules by themselves, with an API that answers what the test wants. They need no browser. */
import { strict as assert } from "node:assert";
import { Session } from "../../frontend/js/transport/session.js";
import { Stream } from "../../frontend/js/transport/stream.js";
import { ApiError, type Api } from "../../frontend/js/transport/api.js";
import type { Batch } from "../../frontend/js/transport/cursor.js";
import { eventually } from "../../service/test/support/wait.ts";

const RESET = 'event: reset\ndata: {"reason":"trimmed"}\n\n';
const heartbeat = (id: string): string => `id: ${id}\nevent: hb\ndata: {}\n\n`;

describe("one connection to the stream", () => {
  before(() => Object.defineProperty(navigator, "onLine", { value: true, configurable: true }));
  after(() => Reflect.deleteProperty(navigator, "onLine"));

  /** Each connection gets its reads; all but the last end then. @returns what was handed on, up to the cursor `last`. */
  async function received(connections: readonly (readonly string[])[], last: string): Promise<Batch[]> {
    const batches: Batch[] = [];
    const ended = new AbortController();
    let asked = 0;
    const request = (_: string, { signal }: { signal: AbortSignal }): Promise<Response> => {
      const reads = connections[asked] ?? [];
      asked += 1;
      const isLast = asked >= connections.length;
      let at = 0;
      const body = new ReadableStream<Uint8Array>(
        {
          start: (controller) => {
            signal.addEventListener("abort", () => controller.error(signal.reason));
          },
          pull: (controller) => {
            const read = reads[at];
            at += 1;
            if (read !== undefined) controller.enqueue(new TextEncoder().encode(read));
            else if (!isLast) controller.close();
          },
        },
        { highWaterMark: 0 },
      );
      return Promise.resolve(new Response(body, { headers: { "content-type": "text/event-stream" } }));
    };
    const stream = new Stream({
      api: { request } as unknown as Api,
      client: undefined,
      topics: () => undefined,
      heartbeatSeconds: 15,
      cursor: "a-1-0",
      onBatch: (batch) => batches.push(batch),
      onState: () => undefined,
      onUnauthorized: () => Promise.resolve(false),
    });
    const running = stream.run(ended.signal);
    await eventually(`a batch up to ${last}`, () => batches.at(-1)?.to === last);
    ended.abort();
    await running;
    return batches;
  }

  const reset: Batch = { from: "a-1-0", to: "b-2-0", events: [], reset: "trimmed" };
  const next: Batch = { from: "b-2-0", to: "b-3-0", events: [] };

  it("tells of a reset once, also when the network cuts between it and its position", async () => {
    const heard = await received([[RESET, heartbeat("b-2-0"), heartbeat("b-3-0")]], "b-3-0");
    assert.deepEqual(heard, [reset, next]);
  });

  it("forgets a reset whose position never came: the next connection is told for itself", async () => {
    const heard = await received([[RESET], [heartbeat("b-2-0"), heartbeat("b-3-0")]], "b-3-0");
    const { from, to, events } = reset;
    assert.deepEqual(heard, [{ from, to, events }, next]);
  });
});

interface Told {
  readonly kind: string;
  readonly credentials: { readonly refreshToken?: string };
}

describe("a login that tabs share", () => {
  const url = "https://api.example";
  let service: LoginService;
  let sessions: Session[];
  /** Hears what the tabs say, and says what a test wants. */
  let channel: InstanceType<typeof BroadcastChannel>;
  let told: Told[];

  beforeEach(() => {
    service = new LoginService();
    sessions = [];
    told = [];
    channel = new BroadcastChannel(`omniai session ${url}`);
    channel.onmessage = ({ data }: { data: Told }) => {
      if (data.kind === "told") told.push(data);
    };
  });
  afterEach(() => {
    for (const session of sessions) session.stop();
    channel.close();
  });

  async function open(): Promise<{ session: Session; api: Api }> {
    const api = service.api(url);
    const session = new Session(api);
    sessions.push(session);
    await session.start();
    return { session, api };
  }
  /** What a tab has told of this refresh token. */
  async function toldOf(refreshToken: string): Promise<Told> {
    const found = (): Told | undefined =>
      told.find(({ credentials }) => credentials.refreshToken === refreshToken);
    await eventually(`told of ${refreshToken}`, () => found() !== undefined);
    return found() as Told;
  }
  const isHandled = (): Promise<void> => new Promise((resolve) => void setTimeout(resolve, 50));

  it("stays the newest when a tab that was frozen tells of an older one", async () => {
    const { session, api } = await open();
    await session.login("u", "p");
    const old = await toldOf("r1");
    assert.equal(await session.renew(), true);
    channel.postMessage(old);
    await isHandled();
    assert.equal(api.credentials.refreshToken, "r2");
    assert.equal(await session.renew(), true);
    assert.deepEqual(service.refreshed, ["r1", "r2"], "no refresh token is used twice");
  });

  it("stays ended when a tab that was frozen tells of it", async () => {
    const { session, api } = await open();
    await session.login("u", "p");
    const old = await toldOf("r1");
    await session.logout();
    channel.postMessage(old);
    await isHandled();
    assert.equal(session.state.authenticated, false);
    assert.deepEqual(api.credentials, {});
  });

  it("is followed by a tab that comes after it, and ended in all tabs", async () => {
    const first = await open();
    await first.session.login("u", "p");
    const second = await open();
    assert.equal(second.api.credentials.refreshToken, "r1");
    await second.session.logout();
    await eventually("signed out", () => !first.session.state.authenticated);
    await first.session.login("u", "p");
    await eventually("signed in again", () => second.session.state.authenticated);
    assert.deepEqual(second.api.credentials, first.api.credentials);
  });

  it("is not taken back by an answer to what a tab had asked before", async () => {
    const { session } = await open();
    const asked = Promise.withResolvers<void>();
    const answered = Promise.withResolvers<void>();
    service.beforeAnswer = () => (asked.resolve(), answered.promise);
    const opening = open();
    await asked.promise;
    service.beforeAnswer = () => Promise.resolve();
    await session.login("u", "p");
    await toldOf("r1");
    await isHandled();
    answered.resolve();
    const late = await opening;
    assert.equal(late.session.state.authenticated, true);
    // It renews for all, and tells them who is there.
    assert.equal(await late.session.renew(), true);
    await toldOf("r2");
    await isHandled();
    assert.equal(session.state.authenticated, true);
  });

  it("stays ended when it ends while the CSRF token of its session is under way", async () => {
    service.hasCookie = true;
    const asked = Promise.withResolvers<void>();
    const answered = Promise.withResolvers<void>();
    service.beforeCsrf = () => (asked.resolve(), answered.promise);
    const opening = open();
    await asked.promise;
    service.hasCookie = false;
    const state = { mode: "session", authenticated: false, scopes: [] };
    channel.postMessage({ kind: "told", state, since: Date.now(), credentials: {} });
    await isHandled();
    answered.resolve();
    const { session, api } = await opening;
    assert.equal(session.state.authenticated, false);
    assert.deepEqual(api.credentials, {});
  });

  it("is renewed only after every tab has had time to say that it has been", async () => {
    const late = await open();
    await late.session.login("u", "p");
    const old = await toldOf("r1");
    const other = await open();
    assert.equal(other.api.credentials.refreshToken, "r1");
    late.session.stop();
    assert.equal(await other.session.renew(), true);
    const newest = await toldOf("r2");
    other.session.stop();
    await late.session.start();
    channel.onmessage = () => {
      // One after the other: a busy machine could be late with a timer between them.
      channel.postMessage(old);
      channel.postMessage(newest);
    };
    assert.equal(await late.session.renew(), true);
    assert.equal(late.api.credentials.refreshToken, "r2");
    assert.deepEqual(service.refreshed, ["r1"]);
  });

  it("goes on where its end did not reach the service, and that is said", async () => {
    const { session, api } = await open();
    await session.login("u", "p");
    for (const error of [new TypeError("Failed to fetch"), new ApiError(503, "away", undefined)]) {
      service.logoutErrors.push(error, error, error);
      await assert.rejects(session.logout(), error);
      assert.equal(session.state.authenticated, true);
      assert.equal(api.credentials.refreshToken, "r1");
    }
    await session.logout();
    assert.equal(session.state.authenticated, false);
  });

  it("is renewed before it is ended where its access token has run out, by this clock or the service's", async () => {
    const { session } = await open();
    service.lifeSeconds = 0.05;
    await session.login("u", "p");
    // No timer renews it: a tab whose computer slept has not had its time.
    session.stop();
    await new Promise((resolve) => void setTimeout(resolve, 60));
    service.lifeSeconds = 900;
    await session.logout();
    assert.deepEqual([service.refreshed, service.ended], [["r1"], ["a2"]]);
    await session.login("u", "p");
    service.logoutErrors.push(new ApiError(401, "expired", undefined));
    await session.logout();
    assert.deepEqual(
      [service.refreshed, service.ended],
      [
        ["r1", "r3"],
        ["a2", "a4"],
      ],
    );
    assert.equal(session.state.authenticated, false);
  });

  it("stays ended when it ends while a renewal is under way", async () => {
    const { session, api } = await open();
    await session.login("u", "p");
    service.beforeRefresh = () => session.logout();
    assert.equal(await session.renew(), false);
    assert.deepEqual(api.credentials, {});
  });
});

/** As much of the service as a login needs. Every token has the number of its login or refresh. */
class LoginService {
  readonly refreshed: unknown[] = [];
  /** Holds back the answer to who is logged in, which is known by then. */
  beforeAnswer: () => Promise<unknown> = () => Promise.resolve();
  beforeRefresh: () => Promise<unknown> = () => Promise.resolve();
  beforeCsrf: () => Promise<unknown> = () => Promise.resolve();
  /** The browser has the cookie of a session. */
  hasCookie = false;
  /** How the next attempts to log out fail. */
  readonly logoutErrors: Error[] = [];
  /** The access tokens whose logins were ended. */
  readonly ended: (string | undefined)[] = [];
  lifeSeconds = 900;
  #count = 0;

  api(baseUrl: string): Api {
    const tokens = (): object => {
      this.#count += 1;
      return { accessToken: `a${this.#count}`, refreshToken: `r${this.#count}`, expiresIn: this.lifeSeconds };
    };
    const api = {
      baseUrl,
      credentials: {} as { accessToken?: string },
      get: async (path: string) => {
        if (path.endsWith("/csrf")) {
          await this.beforeCsrf();
          return { csrfToken: "c" };
        }
        const isKnown = this.hasCookie || api.credentials.accessToken !== undefined;
        const answer = { mode: this.hasCookie ? "session" : "token", authenticated: isKnown };
        await this.beforeAnswer();
        return answer;
      },
      post: async (path: string, body: { refreshToken?: string }) => {
        if (path.endsWith("/logout")) {
          const error = this.logoutErrors.shift();
          if (error) throw error;
          this.ended.push(api.credentials.accessToken);
          return undefined;
        }
        if (!path.endsWith("/refresh")) return tokens();
        this.refreshed.push(body.refreshToken);
        const answer = tokens();
        await this.beforeRefresh();
        return answer;
      },
    };
    return api as unknown as Api;
  }
}
