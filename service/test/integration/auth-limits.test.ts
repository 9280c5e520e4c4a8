/** Limits on requests and logins, over replicas. */
import { strict as assert } from "node:assert";
import {
  addUser,
  ask,
  bearer,
  loginTokens,
  PAGE_ORIGIN,
  PASSWORD,
  slugOf,
  startAuth,
  type Answer,
} from "../support/auth.ts";
import { startInstance, type Instance } from "../support/instance.ts";
import { SseClient } from "../support/sse.ts";
import { testServers, type Servers } from "../support/servers.ts";

const WRONG = "not the password";

describe("limits", function () {
  this.timeout(40_000);
  let servers: Servers;
  /** An address of one's own, so that no test counts for another. */
  let addresses = 0;
  const ownAddress = (): string => `203.0.${Math.floor(++addresses / 250)}.${(addresses % 250) + 1}`;
  const from = (address: string): Record<string, string> => ({ "x-forwarded-for": address });
  const login = (
    at: Instance,
    name: string,
    headers: Record<string, string>,
    secret = WRONG,
  ): Promise<Answer> =>
    ask(at, "POST", "/api/auth/login", {
      body: { username: name, password: secret },
      headers: { origin: PAGE_ORIGIN, ...headers },
    });

  before(async function () {
    this.timeout(90_000);
    servers = await testServers();
  });
  beforeEach(async () => {
    const keys = await servers.admin.keys("omniai:limit:*");
    if (keys.length > 0) await servers.admin.del(keys);
  });

  it("count the failed logins of an address on all replicas together, whatever the client claims", async () => {
    const settings = { OMNIAI_LIMIT_LOGINS_PER_ADDRESS: "4", OMNIAI_TRUST_PROXY_HOPS: "1" };
    const [one, two] = await Promise.all([startAuth("session", settings), startAuth("session", settings)]);
    try {
      const address = ownAddress();
      const answers: Answer[] = [];
      for (let i = 0; i < 6; i++) {
        // A proxy in front appends what it sees; the client can only write further left, or other headers.
        const spoofed = {
          ...from(`${ownAddress()}, ${address}`),
          "x-real-ip": ownAddress(),
          forwarded: `for=${ownAddress()}`,
          "cf-connecting-ip": ownAddress(),
        };
        answers.push(await login(i % 2 ? one : two, `nobody-${i}`, spoofed));
      }
      assert.deepEqual(
        answers.map(({ status }) => status),
        [401, 401, 401, 401, 429, 429],
      );
      const [refused] = answers.slice(-1);
      assert.ok(refused);
      assert.equal(slugOf(refused), "rate-limited");
      assert.equal(refused.headers.get("content-type")?.split(";")[0], "application/problem+json");
      const seconds = Number(refused.headers.get("retry-after"));
      assert.ok(seconds > 800 && seconds <= 903, `${seconds} s`);
      assert.equal(refused.headers.get("ratelimit-policy"), '"logins";q=4;w=900');
      assert.match(refused.headers.get("ratelimit") ?? "", /^"logins";r=0;t=\d+$/);
      // Somebody else behind the same edge.
      assert.equal((await login(one, "nobody", from(ownAddress()))).status, 401);
    } finally {
      await Promise.all([one.stop(), two.stop()]);
    }
  });

  it("count an IPv6 client's whole /56 as one, and a neighbour's apart", async () => {
    const instance = await startAuth("session", {
      OMNIAI_LIMIT_LOGINS_PER_ADDRESS: "3",
      OMNIAI_TRUST_PROXY_HOPS: "1",
    });
    try {
      const statuses: number[] = [];
      for (let i = 0; i < 5; i++) {
        const rotated = `2001:db8:77:${(0x1200 + i * 7).toString(16)}:${i}::${i}`;
        statuses.push((await login(instance, `nobody-${i}`, from(rotated))).status);
      }
      assert.deepEqual(statuses, [401, 401, 401, 429, 429]);
      assert.equal((await login(instance, "nobody", from("2001:db8:77:1300::1"))).status, 401);
    } finally {
      await instance.stop();
    }
  });

  it("do not let a client without a proxy in front choose its address", async () => {
    const instance = await startAuth("session", { OMNIAI_LIMIT_LOGINS_PER_ADDRESS: "2" });
    try {
      const statuses: number[] = [];
      for (let i = 0; i < 4; i++) statuses.push((await login(instance, `n-${i}`, from(ownAddress()))).status);
      assert.deepEqual(statuses, [401, 401, 429, 429]);
    } finally {
      await instance.stop();
    }
  });

  it("count the failed logins of a user from everywhere, known or not, and forget them with a success", async () => {
    const instance = await startAuth("session", {
      OMNIAI_LIMIT_LOGINS_PER_USER: "3",
      OMNIAI_TRUST_PROXY_HOPS: "1",
    });
    try {
      const user = await addUser();
      const attempt = async (name: string, secret = WRONG): Promise<number> =>
        (await login(instance, name, from(ownAddress()), secret)).status;
      assert.deepEqual([await attempt(user.name), await attempt(user.name)], [401, 401]);
      assert.equal(await attempt(user.name, PASSWORD), 200);
      assert.deepEqual(
        [await attempt(user.name), await attempt(user.name.toUpperCase()), await attempt(` ${user.name}`)],
        [401, 401, 401],
      );
      assert.equal(
        await attempt(user.name, PASSWORD),
        429,
        "the right one too: nobody learns that it is right",
      );
      const nobody = [1, 2, 3, 4].map(() => attempt("nobody-at-all"));
      assert.deepEqual((await Promise.all(nobody)).sort(), [401, 401, 401, 429]);
    } finally {
      await instance.stop();
    }
  });

  it("are kept by each process alone while Redis is silent, and nobody is shut out", async () => {
    const instance = await startAuth("session", {
      OMNIAI_LIMIT_LOGINS_PER_ADDRESS: "3",
      OMNIAI_TRUST_PROXY_HOPS: "1",
    });
    try {
      const address = ownAddress();
      await servers.redis.pause();
      const statuses: number[] = [];
      let slowest = 0;
      try {
        for (let i = 0; i < 5; i++) {
          const started = performance.now();
          statuses.push((await login(instance, `nobody-${i}`, from(address))).status);
          slowest = Math.max(slowest, performance.now() - started);
        }
      } finally {
        await servers.redis.unpause();
      }
      assert.deepEqual(statuses, [401, 401, 401, 429, 429]);
      assert.ok(slowest < 2500, `${slowest} ms`);
    } finally {
      await instance.stop();
    }
  });

  it("of all requests say how many are left, spare streams, and hold for all replicas", async () => {
    const settings = { OMNIAI_LIMIT_REQUESTS_PER_MINUTE: "60", OMNIAI_TRUST_PROXY_HOPS: "1" };
    const [one, two] = await Promise.all([startInstance(settings), startInstance(settings)]);
    try {
      const headers = from(ownAddress());
      const first = await ask(one, "GET", "/api/openapi.json", { headers });
      assert.equal(first.headers.get("ratelimit-policy"), '"requests";q=60;w=60');
      assert.match(first.headers.get("ratelimit") ?? "", /^"requests";r=59;t=(59|60)$/);
      let good = 1;
      for (let i = 0; i < 110; i++) {
        if ((await ask(i % 2 ? one : two, "GET", "/api/openapi.json", { headers })).status === 200) good++;
      }
      // Exact to what each replica counts before it tells Redis: 20.
      assert.ok(good >= 60 && good <= 100, `${good} of 111`);
      for (const replica of [one, two]) {
        const post = await ask(replica, "POST", "/api/events", { body: { type: "t", data: 1 }, headers });
        assert.deepEqual([post.status, slugOf(post)], [429, "rate-limited"]);
        assert.equal((await ask(replica, "GET", "/api/events/poll", { headers })).status, 429);
        for (const method of ["HEAD", "PUT", "DELETE", "PATCH"]) {
          const answer = await fetch(`${replica.url}/api/events`, { method, headers });
          assert.equal(answer.status, 429, method);
        }
        assert.equal((await ask(replica, "GET", "/healthz")).status, 200);
        for (const path of ["/api/events", "/API/Events/"]) {
          const stream = new SseClient(`${replica.url}${path}`, headers);
          await stream.joined();
          assert.equal(stream.response?.statusCode, 200, "a native EventSource would never come back");
          stream.close();
        }
        assert.equal(
          (await ask(replica, "GET", "/api/openapi.json", { headers: from(ownAddress()) })).status,
          200,
        );
      }
    } finally {
      await Promise.all([one.stop(), two.stop()]);
    }
  });

  it("of refreshes hold too", async () => {
    const instance = await startAuth("token", { OMNIAI_LIMIT_REFRESHES_PER_MINUTE: "2" });
    try {
      const refreshToken = `omniai_rt_${"A".repeat(43)}`;
      const statuses: number[] = [];
      for (let i = 0; i < 3; i++) {
        statuses.push((await ask(instance, "POST", "/api/auth/refresh", { body: { refreshToken } })).status);
      }
      assert.deepEqual(statuses, [401, 401, 429]);
    } finally {
      await instance.stop();
    }
  });

  it("hold for what is checked before it is stored: sizes, depths, unknown members", async () => {
    const instance = await startAuth("both");
    try {
      const { accessToken } = await loginTokens(instance, await addUser());
      const send = (path: string, body: string): Promise<Answer> =>
        ask(instance, "POST", path, { body, headers: bearer(accessToken) });
      const deep = `${'{"a":'.repeat(1200)}1${"}".repeat(1200)}`;
      const bad: [string, string, number][] = [
        ["/api/auth/login", JSON.stringify({ username: "u", password: "p".repeat(9000) }), 413],
        ["/api/auth/login", JSON.stringify({ username: "u", password: "p".repeat(300) }), 400],
        ["/api/auth/login", '{"username":{"$ne":""},"password":["x"]}', 400],
        ["/api/auth/login", '{"username":"u","password":"p","__proto__":{"isAdmin":true}}', 400],
        ["/api/auth/login", deep, 400],
        ["/api/auth/refresh", '{"refreshToken":"short"}', 400],
        ["/api/auth/tokens", deep, 400],
        ["/api/auth/tokens", "null", 400],
      ];
      for (const [path, body, status] of bad) {
        const answer = await send(path, body);
        assert.equal(answer.status, status, `${path} ${body.slice(0, 60)}`);
        assert.ok(!JSON.stringify(answer.body).includes("ppp"), "a password is not sent back");
      }
      assert.equal(({} as { isAdmin?: boolean }).isAdmin, undefined);
    } finally {
      await instance.stop();
    }
  });
});
