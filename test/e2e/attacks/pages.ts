/** Attacks by a foreign page through a visitor's browser, and by a thief with a stolen cookie. */
import { strict as assert } from "node:assert";
import { eventually } from "../../support/http.ts";
import { PAGE, type Login, type Target } from "./target.ts";

export function csrf(get: () => Target): void {
  let login: Login;
  let start: string;
  before(async () => {
    login = await get().login();
    start = await get().position();
  });

  const post = (headers: Record<string, string>, path = "/api/events") =>
    get().ask(path, { method: "POST", body: { type: "csrf", data: 1 }, headers });

  for (const origin of ["https://evil.example", "null", "", `${PAGE}.evil.example`, `${PAGE}:8443`]) {
    it(`a post with the cookie from ${origin === "" ? "nowhere" : origin} is refused, even with the token`, async () => {
      const headers: Record<string, string> = { cookie: login.cookie, ...(origin === "" ? {} : { origin }) };
      for (const token of ["", login.csrfToken]) {
        assert.equal((await post({ ...headers, "x-csrf-token": token })).status, 403);
      }
    });
  }

  it("neither a form nor the token of another session works", async () => {
    const cookie = { cookie: login.cookie, origin: PAGE };
    for (const type of ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
      assert.equal((await post({ ...cookie, "content-type": type })).status, 403, type);
    const other = await get().login();
    for (const token of ["", "x", other.csrfToken, `${login.csrfToken}x`])
      assert.equal((await post({ ...cookie, "x-csrf-token": token })).status, 403, token);
    assert.equal((await post(cookie, "/api/auth/logout")).status, 403);
    assert.ok(await get().isIn(login.cookie), "still logged in");
  });

  it("a foreign page cannot log its visitor in as another user", async () => {
    const { name: username, password } = get().user;
    for (const origin of ["https://evil.example", "null"]) {
      const answer = await get().ask("/api/auth/login", {
        method: "POST",
        body: { username, password },
        headers: { origin },
      });
      assert.equal(answer.status, 403);
      assert.equal(answer.headers["set-cookie"], undefined);
    }
  });

  it("routes without a login do not accept forms either", async () => {
    const headers = { "content-type": "text/plain", origin: "https://evil.example" };
    assert.equal((await post(headers, "/api/diag/client-reports")).status, 415);
  });

  it("a GET changes nothing", async () => {
    for (const path of ["/api/auth/login", "/api/auth/logout", "/api/auth/refresh"]) {
      const { status, headers } = await get().ask(path, { headers: login.headers });
      assert.equal(status, 405, path);
      assert.match(String(headers["allow"]), /POST/);
    }
    assert.ok(await get().isIn(login.cookie));
  });

  it("none of these attempts stored an event, while the page's own event is stored", async () => {
    assert.equal((await post(login.headers)).status, 201);
    const kept = await eventually("the page's event", 30, async () => {
      const events = await get().events(start);
      return events.length > 0 && events;
    });
    assert.deepEqual(
      kept.map(({ type }) => type),
      ["csrf"],
    );
  });
}

export function corsMisconfiguration(get: () => Target): void {
  const strangers = [
    "https://evil.example",
    "null",
    `${PAGE}.evil`,
    "https://xpage.example",
    "http://page.example",
    `${PAGE}:444`,
    `${PAGE}:443`,
    `${PAGE}/`,
    "https://PAGE.example",
    "https://page.example@evil.example",
    "https://page.example, https://evil.example",
  ];
  const places = [
    { what: "an answer", path: "/api/diag", method: "GET" },
    { what: "a refusal", path: "/api/events", method: "POST" },
    { what: "a stream", path: "/api/events?topics=user.x.y", method: "GET" },
    { what: "an error of the edge", path: "/nothing", method: "GET" },
    { what: "a preflight", path: "/api/events", method: "OPTIONS" },
  ];
  for (const { what, path, method } of places) {
    it(`${what} says nothing to a stranger, and tells caches apart`, async () => {
      for (const origin of strangers) {
        const asked: Record<string, string> =
          method === "OPTIONS" ? { "access-control-request-method": "POST" } : {};
        const { headers } = await get().ask(path, { method, headers: { origin, ...asked } });
        assert.equal(headers["access-control-allow-origin"], undefined, origin);
        assert.match(String(headers["vary"]), /\bOrigin\b/i, origin);
      }
      const { headers } = await get().ask(path, { method, headers: { origin: PAGE } });
      assert.equal(headers["access-control-allow-origin"], PAGE);
      assert.equal(headers["access-control-allow-credentials"], "true");
    });
  }

  it("a preflight allows only what the API has, whatever is asked for", async () => {
    const { headers } = await get().ask("/api/events", {
      method: "OPTIONS",
      headers: {
        origin: PAGE,
        "access-control-request-method": "PURGE",
        "access-control-request-headers": "x-evil, x-forwarded-for, cookie",
      },
    });
    assert.doesNotMatch(String(headers["access-control-allow-methods"]), /PURGE|\*/);
    assert.doesNotMatch(String(headers["access-control-allow-headers"]), /evil|forwarded|cookie|\*/);
  });
}

export function cookies(get: () => Target): void {
  it("the cookie has the prefix and every attribute, and is for this host only", async () => {
    const { setCookie } = await get().login();
    const [pair, ...attributes] = setCookie.split("; ");
    assert.match(pair ?? "", /^__Host-sid=[A-Za-z0-9_-]{43}$/);
    assert.deepEqual(attributes.sort(), ["HttpOnly", "Partitioned", "Path=/", "SameSite=None", "Secure"]);
  });

  it("an id that was planted before the login is useless after it", async () => {
    const planted = `__Host-sid=${"A".repeat(43)}`;
    const login = await get().login({ cookie: planted });
    assert.notEqual(login.cookie, planted);
    assert.equal(await get().isIn(planted), false);
    assert.equal(await get().isIn(login.cookie), true);
  });

  it("a login makes a new id and ends the old one", async () => {
    const first = await get().login();
    const second = await get().login({ cookie: first.cookie });
    assert.notEqual(first.cookie, second.cookie);
    assert.deepEqual([await get().isIn(first.cookie), await get().isIn(second.cookie)], [false, true]);
  });

  it("a stolen cookie is useless after the logout", async () => {
    const login = await get().login();
    const out = await get().ask("/api/auth/logout", { method: "POST", headers: login.headers });
    assert.equal(out.status, 204);
    assert.match(String(out.headers["set-cookie"]), /^__Host-sid=; .*Max-Age=0/);
    assert.equal(await get().isIn(login.cookie), false);
    for (const [method, path] of [
      ["POST", "/api/events"],
      ["GET", "/api/auth/csrf"],
      ["GET", "/api/auth/tokens"],
    ] as const) {
      const body = method === "POST" ? { type: "stolen", data: 1 } : undefined;
      assert.equal((await get().ask(path, { method, body, headers: login.headers })).status, 401, path);
    }
  });

  it("no answer about logins stays in a cache", async () => {
    const login = await get().login();
    for (const path of ["/api/auth/check", "/api/auth/csrf", "/api/auth/tokens"]) {
      const { headers } = await get().ask(path, { headers: login.headers });
      assert.equal(headers["cache-control"], "no-store", path);
    }
  });
}
