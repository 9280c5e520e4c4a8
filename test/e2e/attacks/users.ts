/** What the operator's users can do on a stack with authentication, through the edge and across a kill of Redis. */
import { strict as assert } from "node:assert";
import { call, eventually, publish, type Answer } from "../../support/http.ts";
import { docker, type TestStack } from "../../support/stack.ts";
import { exec, limits, PAGE, type Target } from "./target.ts";

const login = (
  stack: TestStack,
  username: string,
  password: string,
  headers: Record<string, string> = {},
): Promise<Answer> =>
  call(`${stack.https}/api/auth/login`, {
    method: "POST",
    body: { username, password },
    headers: { origin: PAGE, ...headers },
  });

/** Runs first, while the replicas still use little memory: `npm run user` runs beside the service in one of them. */
export function users(get: () => Target): void {
  let stack: TestStack;
  before(() => ({ stack } = get()));

  const body = (answer: Answer): Record<string, unknown> =>
    JSON.parse(answer.text) as Record<string, unknown>;
  it("refuses requests that need a login and have none", async () => {
    const answer = await call(`${stack.https}/api/events`, { method: "POST", body: { type: "t", data: 1 } });
    assert.equal(answer.status, 401);
    assert.deepEqual(body(await call(`${stack.https}/api/auth/check`)), {
      authenticated: false,
      mode: "both",
    });
  });

  it("lets users whom the operator adds log in through the edge, and cuts them off when disabled", async () => {
    const added = await stack.run("user", "add", "grace", "--json");
    assert.equal(added.code, 0, added.output);
    const { user, password } = JSON.parse(added.stdout) as { user: { id: string }; password: string };
    const listed = await stack.run("user", "list");
    assert.match(listed.stdout, new RegExp(`^grace +enabled +${user.id}`, "m"));

    const answer = await login(stack, "grace", password);
    assert.equal(answer.status, 200, answer.text);
    const [cookie = ""] = (answer.headers["set-cookie"] ?? [])[0]?.split(";") ?? [];
    const { csrfToken } = body(answer) as { csrfToken: string };
    const headers = { origin: PAGE, cookie, "x-csrf-token": csrfToken };
    const post = (): Promise<Answer> =>
      call(`${stack.https}/api/events`, { method: "POST", body: { type: "t", data: 1 }, headers });
    assert.equal((await publish(stack.https, { type: "t", data: 1 }, headers)).status, 201);

    // Kills the process on the host: the engine takes `docker kill` for a manual stop and would not restart it.
    const [redis = ""] = await stack.containers("redis");
    process.kill((await docker.getContainer(redis).inspect()).State.Pid, "SIGKILL");
    // Each replica has its own connection to Redis, so one answer says nothing about the other. None may say 401.
    const after = new Set<number>();
    await eventually("answers of every replica that Redis is asked for", 60, async () => {
      const round = await Promise.all(Array.from({ length: 8 }, async () => (await post()).status));
      for (const status of round) after.add(status);
      return round.every((status) => status === 201);
    });
    assert.deepEqual(
      [...after].filter((status) => status !== 201 && status !== 503),
      [],
      "the session outlives a kill of Redis",
    );

    const again = await stack.run("user", "add", "grace");
    assert.equal(again.code, 2, again.output);
    assert.match(again.output, /There is already a user grace/);
    const disabled = await stack.run("user", "disable", "grace");
    assert.equal(disabled.code, 0, disabled.output);
    assert.equal((await post()).status, 401);
    assert.equal((await login(stack, "grace", password)).status, 401);
  });

  it("keeps the signing secret where only the service can read it", async () => {
    const [name = ""] = await stack.containers("backend");
    const info = await docker.getContainer(name).inspect();
    assert.ok(info.Config.Env.includes("OMNIAI_AUTH_SECRET_FILE=/run/secrets/auth-secret"));
    assert.match(await exec(name, "stat", "-c", "%a %u", "/run/secrets/auth-secret"), /400 1000/);
  });
}

/** Runs last, because it uses up the failed logins of the address that all tests share. */
export function loginLimit(get: () => Target): void {
  it("limits logins by the address that the edge saw, whatever the client claims", async () => {
    const statuses: number[] = [];
    for (let i = 0; i < limits.failedLogins + 2; i++) {
      const spoofed = { "x-forwarded-for": `198.51.100.${i}`, "x-real-ip": `198.51.100.${i}` };
      statuses.push((await login(get().stack, `nobody-${i}`, "not the password", spoofed)).status);
    }
    assert.ok(statuses.includes(429), statuses.join(" "));
    assert.equal(statuses.at(-1), 429);
  });
}
