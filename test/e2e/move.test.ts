/**
 * A stack in use that goes to another machine, with all that was acknowledged: from this machine's engine to one in a box, which is
 * reached over SSH alone, and back. `OMNIAI_TEST_MOVE_MB` is the size of its database (default 64).
 */
import { strict as assert } from "node:assert";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { availableParallelism, loadavg } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { readSettings } from "../../ops/stack/settings.ts";
import { startBox, type Box } from "../support/box/box.ts";
import { createCheckout, removeCheckout } from "../support/checkout.ts";
import { call, eventually } from "../support/http.ts";
import {
  createStack,
  docker,
  killWhen,
  startCommandIn,
  whenSo,
  type CommandResult,
  type RunningCommand,
  type TestStack,
} from "../support/stack.ts";
import { startTraffic, type Traffic, type TrafficResult } from "../support/traffic.ts";

const MEGABYTES = Number(process.env["OMNIAI_TEST_MOVE_MB"] ?? 64);
const RATE = 10;
const STREAMS = 3;
/** What is promised for 1 GB, on a machine that has nothing else to do. */
const MOST_SECONDS = 60;

/** On a busy machine it takes as many times longer as there are more programs that want a processor than processors. */
const mostSeconds = (): number => MOST_SECONDS * Math.max(1, (loadavg()[0] ?? 0) / availableParallelism());

const good = ({ code, output }: CommandResult): void => assert.equal(code, 0, output);

/** What a name in the DNS is: connections go to where it leads now, and those of before end when it is changed. */
interface Name {
  readonly url: string;
  lead(port: number): void;
  close(): void;
}

async function startName(first: number): Promise<Name> {
  let target = first;
  const open = new Set<Socket>();
  const server: Server = createServer((near) => {
    const far = connect(target, "127.0.0.1");
    for (const socket of [near, far]) {
      open.add(socket);
      socket.on("error", () => undefined).on("close", () => open.delete(socket));
    }
    near.pipe(far).pipe(near);
    near.on("close", () => far.destroy());
    far.on("close", () => near.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    lead(port) {
      target = port;
      for (const socket of open) socket.destroy();
    },
    close() {
      server.close();
      for (const socket of open) socket.destroy();
    },
  };
}

describe("a stack that moves to another machine", function () {
  this.timeout(900_000);
  let checkout: string;
  let stack: TestStack;
  let box: Box;
  let name: Name;
  /** Somebody who has logged in twice: in a browser, and with a program. */
  const user = { cookie: "", authorization: "" };

  const start = (command: string, ...args: string[]): RunningCommand =>
    startCommandIn(
      { ...process.env, NO_COLOR: "1", SSH_AUTH_SOCK: box.env["SSH_AUTH_SOCK"] },
      checkout,
      command,
      ...["--stack", stack.name, ...args],
    );
  const run = (command: string, ...args: string[]): Promise<CommandResult> => start(command, ...args).done;
  const LOCAL = "unix:///var/run/docker.sock";
  const moveThere = (...more: string[]): RunningCommand =>
    start("move", `ssh://deploy@127.0.0.1:${box.sshPort}`, "--host-key", box.hostKey, "--yes", ...more);
  const stackFile = (): string => join(checkout, `Pulumi.${stack.name}.yaml`);
  const psql = (command: string): string[] => [
    ...["exec", `omniai-${stack.name}-postgres`, "psql", "-qAtX", "-U", "postgres", "-d", "omniai", "-c"],
    command,
  ];
  const here = (sql: string): string => execFileSync("docker", psql(sql), { encoding: "utf8" }).trim();
  const there = (sql: string): string =>
    box.inside(["docker", ...psql(sql).map((word) => `'${word.replaceAll("'", `'\\''`)}'`)].join(" "));
  const served = async (url: string): Promise<boolean> =>
    (await call(`${url}/readyz`).catch(() => undefined))?.status === 200;
  const runsHere = async (workload: string): Promise<boolean> =>
    (await stack.containers(workload)).length > 0;
  const traffic = (): Promise<Traffic> =>
    startTraffic(name.url, RATE, STREAMS, { authorization: user.authorization });
  const login = async (account: object, kind: object = {}): ReturnType<typeof call> => {
    const body = { ...account, ...kind };
    const headers = { "sec-fetch-site": "same-origin" };
    const answer = await call(`${stack.https}/api/auth/login`, { method: "POST", body, headers });
    assert.equal(answer.status, 200, answer.text);
    return answer;
  };

  before(async () => {
    checkout = createCheckout();
    stack = await createStack(checkout, {
      bindAddress: "0.0.0.0",
      ...{ authMode: "both", accessTokenMinutes: 60 },
      ...{ switchSeconds: 4, drainSeconds: 2, backendStartSeconds: 5 },
    });
    name = await startName(stack.httpsPort);
    // What a build needs it gets as if it had pulled it; the images that run come with the stack.
    const { nodeImage = "" } = readSettings(checkout, "dev").config;
    const ports = { http: stack.httpPort, https: stack.httpsPort };
    const [deployed, machine] = await Promise.all([stack.run("up", "--yes"), startBox([nodeImage], ports)]);
    box = machine;
    good(deployed);
    const added = await run("user", "add", "mover", "--json");
    good(added);
    const { password } = JSON.parse(added.stdout) as { password: string };
    const account = { username: "mover", password };
    user.cookie = (await login(account)).headers["set-cookie"]?.[0]?.split(";")[0] ?? "";
    const tokens = await login(account, { kind: "token" });
    user.authorization = `Bearer ${(JSON.parse(tokens.text) as { accessToken: string }).accessToken}`;
    here(
      `CREATE TABLE bulk AS SELECT g, md5(g::text) || md5((g + 1)::text) AS text FROM generate_series(1, ${MEGABYTES * 9000}) g`,
    );
    // As what has been there for a while: the first vacuum writes all of it once more.
    here("VACUUM (FREEZE) bulk");
    here("CREATE TABLE written (n int PRIMARY KEY)");
  });
  after(async () => {
    name?.close();
    await stack?.remove();
    box?.remove();
    if (checkout !== undefined) removeCheckout(checkout);
  });

  /** Writes rows until the server is gone. @returns the last one that was acknowledged, once it has ended */
  function startWriter(): { stop(): Promise<number> } {
    const loop =
      'n=0; while :; do n=$((n + 1)); psql -qX -U postgres -d omniai -c "INSERT INTO written VALUES ($n)" || exit; echo $n; sleep 0.2; done';
    const child = spawn("docker", ["exec", `omniai-${stack.name}-postgres`, "sh", "-c", loop], {
      stdio: ["ignore", "pipe", "ignore"],
    });
    let text = "";
    child.stdout.on("data", (part: Buffer) => (text += part.toString()));
    const ended = once(child, "close");
    return {
      async stop() {
        child.kill();
        await ended;
        return Number(text.trim().split("\n").at(-1));
      },
    };
  }

  /** Nothing that was acknowledged is lost, and nothing came twice or in another order; what was refused is no loss. */
  function assertNothingLost(result: TrafficResult): void {
    assert.equal(result.resets, 0, "a stream was told that history is gone");
    assert.ok(result.acknowledged.length > 0);
    for (const seen of result.seen) {
      const got = new Set(seen);
      assert.equal(got.size, seen.length, "an event came twice");
      assert.deepEqual(
        result.acknowledged.filter((n) => !got.has(n)),
        [],
        "events were lost",
      );
      assert.deepEqual(seen, result.seen[0], "two streams saw different orders");
    }
  }
  /** From the first request that failed to the last, in seconds. */
  function away({ failures }: TrafficResult): number {
    const times = failures.map((failure) => failure.seconds);
    return times.length === 0 ? 0 : Math.max(...times) - Math.min(...times);
  }
  const isLoggedIn = async (url: string): Promise<void> => {
    const { status, text } = await call(`${url}/api/auth/csrf`, { headers: { cookie: user.cookie } });
    assert.equal(status, 200, text);
  };

  it("is refused where the machine cannot carry it, and nothing is touched", async () => {
    const file = readFileSync(stackFile(), "utf8");
    const result = await run("move", LOCAL, "--yes");
    assert.equal(result.code, 1, result.output);
    assert.match(result.output, /it is the machine on which the stack is[\s\S]*Nothing was changed/);
    assert.equal(readFileSync(stackFile(), "utf8"), file);
    assert.ok(await served(stack.https));
  });

  it("serves on where it was when the command was killed and is given up", async () => {
    const load = await traffic();
    await killWhen(moveThere("--max-downtime", "600"), async () => !(await runsHere("postgres")));
    const other = await run("up", "--yes");
    assert.equal(other.code, 1, other.output);
    assert.match(other.output, /is being moved to [^]*npm run move -- --back/);
    good(await run("move", "--back", "--yes"));
    await eventually("the service", 60, () => served(stack.https));
    assertNothingLost(await load.stop());
    const label = `label=io.omniai.stack=${stack.name}`;
    assert.equal(box.inside(`docker ps -aq --filter ${label}; docker volume ls -q --filter ${label}`), "");
  });

  it("goes in use, with all that was acknowledged, within a minute", async () => {
    const load = await traffic();
    const writer = startWriter();
    const most = mostSeconds();
    const moving = moveThere("--max-downtime", "600");
    await whenSo(moving, () => served(box.https));
    name.lead(Number(new URL(box.https).port));
    const result = await moving.done;
    good(result);
    assert.match(result.output, /refused for [\d.]+ s; nothing that was acknowledged is lost/);
    assert.match(result.output, /DNS is yours to change/);
    const written = await writer.stop();
    // The last requests that the old edge refused are behind.
    await eventually("the service", 30, () => served(name.url));
    await sleep(1000);
    const seen = await load.stop();
    const seconds = away(seen);
    console.log(
      `      ${MEGABYTES} MB: away for ${seconds.toFixed(1)} s (at most ${most.toFixed(0)}); ${seen.acknowledged.length} events and ${written} rows acknowledged`,
    );
    assertNothingLost(seen);
    assert.ok(seconds < most, `it was away for ${seconds} s:\n${result.output}`);
    assert.ok(written > 0);
    assert.equal(there(`SELECT count(*) FROM written WHERE n <= ${written}`), String(written));
    assert.equal(there("SELECT count(*) FROM bulk"), String(MEGABYTES * 9000));
    await isLoggedIn(box.https);
  });

  it("is there for every command, and the old machine says that it is elsewhere", async () => {
    const status = await run("status");
    good(status);
    assert.match(status.output, /Engine: ssh:\/\/deploy@[^]*--finish/);
    assert.deepEqual(
      (await stack.containers()).map((one) => one.replace(/^.*-/, "")),
      ["edge"],
    );
    assert.equal((await call(`${stack.https}/api/diag`)).status, 503);
  });

  it("cannot begin a second life on the data that it left", async () => {
    const text = readFileSync(stackFile(), "utf8");
    stack.configure({});
    try {
      for (const more of [[], ["--accept-empty", "postgres,redis,backup"]]) {
        const refused = await run("up", "--yes", "--move", ...more);
        assert.equal(refused.code, 1, refused.output);
        assert.match(refused.output, /was moved from this engine/);
      }
    } finally {
      writeFileSync(stackFile(), text);
    }
  });

  it("leaves nothing on the old machine once somebody says so", async () => {
    good(await run("move", "--finish", "--yes"));
    const filters = { label: [`io.omniai.stack=${stack.name}`] };
    assert.deepEqual(await docker.listContainers({ all: true, filters }), []);
    assert.deepEqual((await docker.listVolumes({ filters: JSON.stringify(filters) })).Volumes ?? [], []);
    assert.ok(await served(box.https));
  });

  it("comes back, also when the command is killed after the fence and the old machine is lost", async () => {
    const moving = start("move", LOCAL, "--yes", "--max-downtime", "600");
    await killWhen(moving, () => runsHere("edge"));
    const server = `omniai-${stack.name}-postgres`;
    box.inside(`docker start ${server}`);
    await eventually("a server that refuses", 30, () =>
      /Nothing is started on it/.test(box.inside(`docker logs --tail 1 ${server} 2>&1`)),
    );
    box.remove();
    const result = await run("move", LOCAL, "--yes");
    good(result);
    assert.match(result.output, /could not be taken out of use/);
    assert.ok(await served(stack.https));
    assert.equal(here("SELECT count(*) FROM bulk"), String(MEGABYTES * 9000));
    await isLoggedIn(stack.https);
    good(await run("move", "--finish", "--lost", "--yes"));
    assert.doesNotMatch((await run("status")).output, /--finish/);
  });
});
