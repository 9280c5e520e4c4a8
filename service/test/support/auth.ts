/** Users, logins and requests for the tests of authentication. */
import { once } from "node:events";
import pg from "pg";
import { hashPassword } from "../../src/auth/credentials/passwords.ts";
import { hashToken } from "../../src/auth/credentials/secrets.ts";
import { DEFAULT_SCOPES, type Scope } from "../../src/auth/principal.ts";
import { Users, type User } from "../../src/auth/stores/users.ts";
import type { ServiceOptions } from "../../src/service.ts";
import { eventually, startInstance, type Instance } from "./instance.ts";
import { testServers } from "./servers.ts";
import { SseClient } from "./sse.ts";

/** The page's origin in these tests; the API allows it. */
export const PAGE_ORIGIN = "https://page.example";
export const PASSWORD = "correct horse battery staple";

/** Turns authentication on, with the shortest useful times. */
export const authEnvironment = {
  OMNIAI_AUTH_SECRET_FILE: new URL("./auth-secret.txt", import.meta.url).pathname,
  OMNIAI_CORS_ORIGINS: PAGE_ORIGIN,
  OMNIAI_AUTH_SWEEP_SECONDS: "600",
  OMNIAI_LIMIT_LOGINS_PER_ADDRESS: "0",
};

export function startAuth(
  mode: "session" | "token" | "both",
  extra: Record<string, string> = {},
  options: ServiceOptions = {},
): Promise<Instance> {
  return startInstance({ OMNIAI_AUTH_MODE: mode, ...authEnvironment, ...extra }, options);
}

let pool: Promise<pg.Pool> | undefined;

/** A pool of the tests' own, to read the database directly. */
export function testPool(): Promise<pg.Pool> {
  return (pool ??= testServers().then(({ postgres }) =>
    new pg.Pool({
      host: "127.0.0.1",
      port: postgres.port,
      user: "omniai",
      database: "omniai",
      password: "test",
      max: 2,
    }).on("error", () => undefined),
  ));
}

after(() => pool?.then((open) => open.end()));

/**
 * Waits until as many statements wait for a lock of this connection's transaction, or for those that do, as requests are asked.
 * @throws Error where one is answered before: it did not wait for the lock, or for no longer than a request does.
 */
export async function waiting(
  holder: Pick<pg.PoolClient, "query">,
  asked: readonly Promise<{ readonly status: number }>[],
): Promise<void> {
  const answers: string[] = [];
  for (const each of asked) {
    each.then(
      ({ status }) => answers.push(String(status)),
      (error: unknown) => answers.push(String(error)),
    );
  }
  await eventually(`${asked.length} wait for the lock`, async () => {
    const { rows } = await holder.query<{ waiting: number }>(
      `SELECT count(*)::int AS waiting FROM pg_stat_activity
       WHERE wait_event_type = 'Lock' AND datname = current_database() AND cardinality(pg_blocking_pids(pid)) > 0`,
    );
    const count = rows[0]?.waiting ?? 0;
    if (answers.length > 0) {
      throw new Error(`answered before all waited for the lock: ${answers.join(", ")}; ${count} waited`);
    }
    return count >= asked.length;
  });
}

let users = 0;
let passwordHash: Promise<string> | undefined;

/** Creates a new user with the password `PASSWORD`. */
export async function addUser(scopes: readonly Scope[] = DEFAULT_SCOPES): Promise<User> {
  const name = `user-${process.pid}-${++users}`;
  const hash = await (passwordHash ??= hashPassword(PASSWORD));
  const user = await new Users(await testPool()).add(name, hash, scopes);
  if (!user) throw new Error(`there is a ${name} already`);
  return user;
}

export interface Answer<T = Record<string, unknown>> {
  readonly status: number;
  readonly body: T;
  readonly headers: Headers;
}

export async function ask<T = Record<string, unknown>>(
  instance: { url: string },
  method: string,
  path: string,
  options: { body?: unknown; headers?: Record<string, string> } = {},
): Promise<Answer<T>> {
  const { body, headers } = options;
  const response = await fetch(`${instance.url}${path}`, {
    method,
    headers: { ...(body === undefined ? {} : { "content-type": "application/json" }), ...headers },
    body: body === undefined ? undefined : typeof body === "string" ? body : JSON.stringify(body),
  });
  const text = await response.text();
  return {
    status: response.status,
    body: (text === "" ? {} : JSON.parse(text)) as T,
    headers: response.headers,
  };
}

/** The last part of a problem's type. */
export const slugOf = ({ body }: Answer): string =>
  String((body as { type?: unknown }).type).replace("urn:omniai:problem:", "");

export const cookieOf = ({ headers }: Answer): string =>
  headers
    .getSetCookie()
    .map((cookie) => cookie.split(";")[0] ?? "")
    .join("; ");

/** The cookie that says that its user has logged in from here before. */
export const deviceOf = ({ headers }: Answer): string =>
  headers
    .getSetCookie()
    .map((cookie) => cookie.split(";")[0] ?? "")
    .find((cookie) => cookie.startsWith("__Host-device=")) ?? "";

/** Asks again, as clients do, where a busy machine was too slow: for what a test needs and is not about. */
export async function admitted<T extends { readonly status: number }>(request: () => Promise<T>): Promise<T> {
  let answer: T | undefined;
  await eventually("an answer other than 503", async () => (answer = await request()).status !== 503);
  return answer ?? request();
}

/** The headers from a page of `PAGE_ORIGIN`: the browser adds the cookie, and the page's code adds the CSRF token. */
export class Page {
  readonly instance: { url: string };
  cookie = "";
  csrfToken = "";

  constructor(instance: { url: string }) {
    this.instance = instance;
  }

  static async loggedIn(instance: { url: string }, user: { name: string }): Promise<Page> {
    const page = new Page(instance);
    const answer = await admitted(() => page.login(user.name));
    if (answer.status !== 200) throw new Error(`login: ${answer.status} ${JSON.stringify(answer.body)}`);
    return page;
  }

  get headers(): Record<string, string> {
    return {
      origin: PAGE_ORIGIN,
      ...(this.cookie === "" ? {} : { cookie: this.cookie }),
      ...(this.csrfToken === "" ? {} : { "x-csrf-token": this.csrfToken }),
    };
  }

  /** The same browser at another replica. */
  at(instance: { url: string }): Page {
    return Object.assign(new Page(instance), { cookie: this.cookie, csrfToken: this.csrfToken });
  }

  ask<T = Record<string, unknown>>(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Answer<T>> {
    return ask<T>(this.instance, method, path, { body, headers: { ...this.headers, ...headers } });
  }

  async login(username: string, secret = PASSWORD): Promise<Answer> {
    const answer = await this.ask("POST", "/api/auth/login", { username, password: secret });
    if (answer.status === 200) {
      this.cookie = cookieOf(answer);
      this.csrfToken = String(answer.body.csrfToken);
    }
    return answer;
  }

  async check(): Promise<Record<string, unknown>> {
    return (await this.ask("GET", "/api/auth/check")).body;
  }

  async isIn(): Promise<boolean> {
    return (await this.check()).authenticated === true;
  }

  /** Opens a stream of `topics` and waits until it gets events. */
  stream(topics: string): Promise<SseClient> {
    return openStream(this.instance, topics, this.headers);
  }
}

export function openStream(
  instance: { url: string },
  topics: string,
  headers: Record<string, string>,
): Promise<SseClient> {
  return new SseClient(`${instance.url}/api/events?topics=${topics}`, headers).joined();
}

/** Waits until the stream ends. @returns how long after `since` it ended. */
export async function endedAfter(client: SseClient, since: number): Promise<number> {
  await client.ended;
  return client.endedAt - since;
}

export interface Tokens {
  readonly accessToken: string;
  readonly refreshToken: string;
}

export async function loginTokens(instance: { url: string }, user: { name: string }): Promise<Tokens> {
  const { status, body } = await admitted(() =>
    ask<Tokens & Record<string, unknown>>(instance, "POST", "/api/auth/login", {
      body: { username: user.name, password: PASSWORD, kind: "token" },
    }),
  );
  if (status !== 200) throw new Error(`login: ${status}`);
  return body;
}

/** Dates the use of the token back, so that the grace period for its reuse is over. */
export async function endLeeway(refreshToken: string): Promise<void> {
  const { rowCount } = await (
    await testPool()
  ).query("UPDATE refresh_tokens SET used_at = used_at - interval '31 seconds' WHERE hash = $1", [
    hashToken(refreshToken),
  ]);
  if (rowCount !== 1) throw new Error("no such refresh token");
}

export const bearer = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` });

export const nextClose = (client: SseClient): Promise<unknown> =>
  client.response ? once(client.response, "close") : client.ended;
