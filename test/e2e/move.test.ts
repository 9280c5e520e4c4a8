/**
 * A stack in use that goes to another machine, with all that was acknowledged: from this machine's engine to one in a box, which is
 * reached over SSH alone. `OMNIAI_TEST_MOVE_MB` is the size of its database (default 64).
 */
import { strict as assert } from "node:assert";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { imageNames, readSettings } from "../../ops/stack/settings.ts";
import { startBox, type Box } from "../support/box/box.ts";
import { createCheckout, removeCheckout } from "../support/checkout.ts";
import { call, eventually } from "../support/http.ts";
import {
  createStack,
  docker,
  startCommandIn,
  type CommandResult,
  type RunningCommand,
  type TestStack,
} from "../support/stack.ts";
import { startTraffic, type Traffic, type TrafficResult } from "../support/traffic.ts";

const MEGABYTES = Number(process.env["OMNIAI_TEST_MOVE_MB"] ?? 64);
const RATE = 10;
const STREAMS = 3;
/** What is promised for 1 GB. */
const MOST_SECONDS = 60;

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
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
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
  this.timeout(1_800_000);
  let checkout: string;
  let stack: TestStack;
  let box: Box;
  let name: Name;
  let boxPort: number;

  const start = (command: string, ...args: string[]): RunningCommand =>
    startCommandIn(
      { ...process.env, NO_COLOR: "1", SSH_AUTH_SOCK: box.env["SSH_AUTH_SOCK"] },
      checkout,
      command,
      ...["--stack", stack.name, ...args],
    );
  const run = (command: string, ...args: string[]): Promise<CommandResult> => start(command, ...args).done;
  const target = (): string => `ssh://deploy@127.0.0.1:${box.sshPort}`;
  const moveTo = (...more: string[]): RunningCommand =>
    start("move", target(), "--host-key", box.hostKey, "--yes", "--max-downtime", "600", ...more);
  const psql = (command: string): string[] => [
    ...["exec", `omniai-${stack.name}-postgres`, "psql", "-qAtX", "-U", "postgres", "-d", "omniai", "-c"],
    command,
  ];
  const here = (sql: string): string => execFileSync("docker", psql(sql), { encoding: "utf8" }).trim();
  const there = (sql: string): string =>
    box.inside(
      psql(sql)
        .map((word) => `'${word.replaceAll("'", `'\\''`)}'`)
        .join(" ")
        .replace(/^/, "docker "),
    );
  const served = async (url: string): Promise<boolean> =>
    (await call(`${url}/readyz`).catch(() => undefined))?.status === 200;
  const running = async (): Promise<string[]> => stack.containers();

  before(async () => {
    checkout = createCheckout();
    stack = await createStack(checkout, {
      bindAddress: "0.0.0.0",
      ...{ switchSeconds: 4, drainSeconds: 2, backendStartSeconds: 5 },
    });
    box = await startBox(imageNames("dev", readSettings(checkout, "dev").config), {
      http: stack.httpPort,
      https: stack.httpsPort,
    });
    boxPort = Number(new URL(box.http).port);
    name = await startName(stack.httpPort);
    good(await stack.run("up", "--yes"));
    here(
      `CREATE TABLE bulk AS SELECT g, md5(g::text) || md5((g + 1)::text) AS text FROM generate_series(1, ${MEGABYTES * 9000}) g`,
    );
    here("CREATE TABLE written (n int PRIMARY KEY)");
  });
  after(async () => {
    name?.close();
    await stack?.remove();
    box?.remove();
    if (checkout !== undefined) removeCheckout(checkout);
  });

  /** Writes rows until the server is gone. @returns the last one that was acknowledged, once it has ended */
  function startWriter(from: number): { stop(): Promise<number> } {
    const loop = `n=${from}; while :; do n=$((n + 1)); psql -qX -U postgres -d omniai -c "INSERT INTO written VALUES ($n)" || exit; echo $n; sleep 0.2; done`;
    const child = spawn("docker", ["exec", `omniai-${stack.name}-postgres`, "sh", "-c", loop], {
      stdio: ["ignore", "pipe", "ignore"],
    });
    let text = "";
    child.stdout.on("data", (part: Buffer) => (text += part.toString()));
    const ended = once(child, "close");
    return {
      async stop() {
        await Promise.race([ended, sleep(2000)]);
        child.kill();
        await ended;
        return Number(text.trim().split("\n").at(-1) ?? from);
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

  it("is refused where the machine cannot carry it, and nothing is touched", async () => {
    const file = readFileSync(join(checkout, `Pulumi.${stack.name}.yaml`), "utf8");
    const result = await run("move", "unix:///var/run/docker.sock", "--yes");
    assert.equal(result.code, 1, result.output);
    assert.match(result.output, /it is the machine on which the stack is[\s\S]*Nothing was changed/);
    assert.equal(readFileSync(join(checkout, `Pulumi.${stack.name}.yaml`), "utf8"), file);
    assert.ok(await served(stack.http));
  });

  it("serves on where it was when the command is killed, after one more", async () => {
    const traffic = await startTraffic(name.url, RATE, STREAMS);
    const moving = moveTo();
    await moving.until(/From here on the stack refuses/);
    await eventually("a stopped server", 120, async () =>
      (await running()).every((one) => !/-postgres$/.test(one)),
    );
    moving.kill("SIGKILL");
    await moving.done;
    const other = await run("move", "deploy@192.0.2.1", "--yes");
    assert.equal(other.code, 2, other.output);
    assert.match(other.output, /was broken off[\s\S]*npm run move -- --back/);
    good(await run("move", "--back", "--yes"));
    await eventually("the service", 60, () => served(stack.http));
    assertNothingLost(await traffic.stop());
    assert.equal(
      box.inside(
        `docker ps -aq --filter label=io.omniai.stack=${stack.name}; docker volume ls -q --filter label=io.omniai.stack=${stack.name}`,
      ),
      "",
    );
  });

  it("goes in use, with all that was acknowledged, within a minute", async () => {
    const traffic: Traffic = await startTraffic(name.url, RATE, STREAMS);
    const writer = startWriter(0);
    const moving = moveTo();
    let over = false;
    void moving.done.then(() => (over = true));
    await eventually("the service on the other machine", 900, async () => over || (await served(box.http)));
    name.lead(boxPort);
    const result = await moving.done;
    good(result);
    const written = await writer.stop();
    await eventually("the service", 30, () => served(name.url));
    await sleep(2000);
    const seen = await traffic.stop();
    assertNothingLost(seen);
    const seconds = away(seen);
    console.log(
      `      ${MEGABYTES} MB: away for ${seconds.toFixed(1)} s, ${seen.acknowledged.length} events and ${written} rows acknowledged\n` +
        result.output.replace(/^/gm, "      | "),
    );
    assert.ok(seconds < MOST_SECONDS, `it was away for ${seconds} s`);
    assert.equal(there(`SELECT count(*) FROM written WHERE n <= ${written}`), String(written));
    assert.equal(there("SELECT count(*) FROM bulk"), String(MEGABYTES * 9000));
  });

  it("is there for every command, and nowhere else", async () => {
    const status = await run("status");
    good(status);
    assert.match(status.output, /Engine: ssh:\/\/deploy@[^]*--finish/);
    assert.match(
      readFileSync(join(checkout, `Pulumi.${stack.name}.yaml`), "utf8"),
      /dockerHost: ssh:\/\/deploy@/,
    );
    good(await run("health"));
    assert.deepEqual(
      (await running()).map((one) => one.replace(/^.*-/, "")),
      ["edge"],
    );
    assert.equal((await call(`${stack.http}/api/diag`)).status, 503);
    const unchanged = await run("up", "--yes");
    good(unchanged);
    assert.doesNotMatch(unchanged.output, /[1-9]\d* (replaced|deleted)/);
  });

  it("cannot begin a second life on the data that it left", async () => {
    const file = join(checkout, `Pulumi.${stack.name}.yaml`);
    const text = readFileSync(file, "utf8");
    stack.configure({});
    const refused = await run("up", "--yes");
    assert.equal(refused.code, 1, refused.output);
    assert.match(refused.output, /is on another Docker engine/);
    const moved = await run("up", "--yes", "--move");
    assert.equal(moved.code, 1, moved.output);
    execFileSync("sh", ["-c", `cat > "${file}"`], { input: text });
  });

  it("leaves nothing on the old machine once somebody says so", async () => {
    good(await run("move", "--finish", "--yes"));
    const filters = { label: [`io.omniai.stack=${stack.name}`] };
    assert.deepEqual(await docker.listContainers({ all: true, filters }), []);
    assert.deepEqual((await docker.listVolumes({ filters: JSON.stringify(filters) })).Volumes ?? [], []);
    assert.ok(await served(box.http));
  });

  it("comes back, also when the command is killed while it deploys", async () => {
    const moving = start("move", "unix:///var/run/docker.sock", "--yes", "--max-downtime", "600");
    await moving.until(/From here on the stack refuses/);
    await eventually("a part of the new stack", 300, async () => (await running()).length > 0);
    moving.kill("SIGKILL");
    await moving.done;
    assert.match(
      box.inside(
        `docker start omniai-${stack.name}-postgres; sleep 3; docker logs --tail 1 omniai-${stack.name}-postgres 2>&1`,
      ),
      /Nothing is started on it/,
    );
    box.inside(`docker stop omniai-${stack.name}-postgres`);
    good(await run("move", "unix:///var/run/docker.sock", "--yes"));
    assert.ok(await served(stack.http));
    assert.equal(here("SELECT count(*) FROM bulk"), String(MEGABYTES * 9000));
    good(await run("move", "--finish", "--yes"));
    good(await run("down", "--delete-data", "--yes"));
  });
});
