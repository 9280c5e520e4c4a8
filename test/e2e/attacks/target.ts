/** The target of the attacks: one whole stack, its users, and clients with addresses of their own. */
import { strict as assert } from "node:assert";
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { connect } from "node:net";
import { promisify } from "node:util";
import { createCheckout, removeCheckout } from "../../support/checkout.ts";
import { call, type Answer } from "../../support/http.ts";
import { createStack, docker, type TestStack } from "../../support/stack.ts";

/** The page's origin, the only one that the API allows. */
export const PAGE = "https://page.example";

/** Low enough that one client reaches them within a test, far above what a well-behaved client does. */
export const limits = { failedLogins: 8, requestRate: 500, streams: 300 };

/** How long the first byte of an answer may take, in ms. */
const FIRST_BYTE_MS = 15_000;
/** A well-behaved client waits longer than this only for the attack, in ms; where the machine is busy by itself, see `isServed`. */
const UNNOTICED_MS = 500;

const run = promisify(execFile);

/** Runs a program in a container. @throws Error with its output, if it fails */
export async function exec(container: string, ...command: string[]): Promise<string> {
  const { stdout } = await run("docker", ["exec", container, ...command], { maxBuffer: 64 << 20 });
  return stdout;
}

/** Runs a Node program in a container that has Node. @returns the last line of its output, parsed as JSON. */
export async function script<T>(container: string, source: string): Promise<T> {
  const printed = await exec(container, "node", "--input-type=module", "-e", source);
  return JSON.parse(printed.trim().split("\n").at(-1) ?? "") as T;
}

export interface Login {
  readonly cookie: string;
  readonly csrfToken: string;
  /** The cookie with its attributes, as the service set it. */
  readonly setCookie: string;
  /** The headers from the page: the browser adds the cookie, and the page's code adds the rest. */
  readonly headers: Readonly<Record<string, string>>;
}

export interface RawAnswer {
  readonly text: string;
  /** Whether the other side closed the connection. */
  readonly closed: boolean;
  readonly seconds: number;
}

export class Target {
  readonly user = { name: "ada", id: "", password: "" };
  /** Every answer that `ask` got, to be searched for secrets. */
  readonly answers: string[] = [];
  /** Secrets that must not appear anywhere, in addition to the stack's own. */
  readonly canaries: string[] = [];
  readonly #checkout: string;
  readonly stack: TestStack;
  readonly #clients: string[] = [];
  backends: readonly string[] = [];
  edge = "";

  private constructor(checkout: string, stack: TestStack) {
    this.#checkout = checkout;
    this.stack = stack;
  }

  static async create(): Promise<Target> {
    const checkout = createCheckout();
    const target = new Target(
      checkout,
      await createStack(checkout, {
        authMode: "both",
        corsOrigins: [PAGE],
        failedLoginsPerAddress: limits.failedLogins,
        edgeHosts: ["127.0.0.1", "localhost"],
        edgeRequestRate: limits.requestRate,
        edgeStreams: limits.streams,
      }),
    );
    try {
      await target.#start();
    } catch (error) {
      await target.remove();
      throw error;
    }
    return target;
  }

  async #start(): Promise<void> {
    const up = await this.stack.run("up", "--yes");
    assert.equal(up.code, 0, up.output);
    this.backends = await this.stack.containers("backend");
    [this.edge = ""] = await this.stack.containers("edge");
    const added = await this.stack.run("user", "add", this.user.name, "--json");
    assert.equal(added.code, 0, added.output);
    const { user, password } = JSON.parse(added.stdout) as { user: { id: string }; password: string };
    Object.assign(this.user, { id: user.id, password });
    this.canaries.push(password);
  }

  async remove(): Promise<void> {
    for (const name of this.#clients) await docker.getContainer(name).remove({ force: true });
    await this.stack.remove();
    removeCheckout(this.#checkout);
  }

  /** Sends a request through the edge, over TLS unless the path says otherwise. */
  async ask(path: string, options: Parameters<typeof call>[1] & { plain?: boolean } = {}): Promise<Answer> {
    const answer = await call(this.stack[options.plain ? "http" : "https"] + path, options);
    this.answers.push(JSON.stringify(answer.headers).replace(/"set-cookie":\[[^\]]*\]/, "") + answer.text);
    return answer;
  }

  /** Logs the one user in again. The secrets of the login become canaries. */
  async login(headers: Record<string, string> = {}): Promise<Login> {
    const answer = await call(`${this.stack.https}/api/auth/login`, {
      method: "POST",
      body: { username: this.user.name, password: this.user.password },
      headers: { origin: PAGE, ...headers },
    });
    assert.equal(answer.status, 200, answer.text);
    const setCookie = answer.headers["set-cookie"]?.[0] ?? "";
    const [cookie = ""] = setCookie.split(";");
    const { csrfToken } = JSON.parse(answer.text) as { csrfToken: string };
    this.canaries.push(cookie.split("=")[1] ?? "", csrfToken);
    return {
      cookie,
      csrfToken,
      setCookie,
      headers: { origin: PAGE, cookie, "x-csrf-token": csrfToken },
    };
  }

  /** Gets a pair of tokens, as a program would. */
  async tokens(): Promise<{ accessToken: string; refreshToken: string }> {
    const answer = await call(`${this.stack.https}/api/auth/login`, {
      method: "POST",
      body: { username: this.user.name, password: this.user.password, kind: "token" },
    });
    assert.equal(answer.status, 200, answer.text);
    const tokens = JSON.parse(answer.text) as { accessToken: string; refreshToken: string };
    this.canaries.push(tokens.accessToken, tokens.refreshToken);
    return tokens;
  }

  async isIn(cookie: string): Promise<boolean> {
    const { text } = await this.ask("/api/auth/check", { headers: { cookie, origin: PAGE } });
    return (JSON.parse(text) as { authenticated: boolean }).authenticated;
  }

  /** The current position of the log, for `events`. */
  async position(): Promise<string> {
    const { text } = await call(`${this.stack.https}/api/events/poll`);
    return (JSON.parse(text) as { next: string }).next;
  }

  /** All events after a position. */
  async events(after: string): Promise<{ type: string; data: unknown }[]> {
    const events: { type: string; data: unknown }[] = [];
    for (let next = after; ;) {
      const { text } = await call(`${this.stack.https}/api/events/poll?limit=500&after=${next}`);
      const page = JSON.parse(text) as { events: typeof events; next: string; more: boolean };
      events.push(...page.events);
      next = page.next;
      if (!page.more) return events;
    }
  }

  /**
   * Sends raw bytes over plain HTTP, to the edge or elsewhere, and reads until the other side closes, or until nothing more has come
   * for a while; the first byte may take longer, as on a busy machine.
   * @param options.quietMs that while; default: 3 s.
   */
  raw(bytes: string, options: { quietMs?: number; host?: string; port?: number } = {}): Promise<RawAnswer> {
    return new Promise((resolve) => {
      const begun = performance.now();
      let text = "";
      const { quietMs = 3000, host = "127.0.0.1", port = this.stack.httpPort } = options;
      const socket = connect(port, host, () => socket.write(bytes, "latin1"));
      const end = (closed: boolean): void => {
        clearTimeout(timer);
        socket.destroy();
        resolve({ text, closed, seconds: (performance.now() - begun) / 1000 });
      };
      let timer = setTimeout(() => end(false), FIRST_BYTE_MS);
      socket.on("data", (part) => {
        text += part.toString("latin1");
        clearTimeout(timer);
        timer = setTimeout(() => end(false), quietMs);
      });
      socket.on("close", () => end(true)).on("error", () => undefined);
    });
  }

  /**
   * Starts a client with an address of its own: a container on the network on which the edge is published. Its kernel takes
   * little for a program that does not read. By itself it decides when a connection begins how much it will take, between
   * 1 and 25 MB in one measurement; a client whose kernel takes all that is sent looks to the edge like one that reads.
   */
  async client(): Promise<string> {
    const name = `${this.stack.name}-client-${randomBytes(3).toString("hex")}`;
    const { Image } = await docker.getContainer(this.backends[0] ?? "").inspect();
    const network = `omniai-${this.stack.name}-public`;
    this.#clients.push(name);
    const limits = ["--rm", "--init", "--memory", "256m", "--ulimit", "nofile=8192"];
    const buffers = ["--sysctl", "net.ipv4.tcp_rmem=4096 65536 65536"];
    await run("docker", [
      ...["run", "-d", "--name", name, "--network", network, ...limits, ...buffers],
      ...["--entrypoint", "sleep", Image, "600"],
    ]);
    return name;
  }

  async dismiss(client: string): Promise<void> {
    this.#clients.splice(this.#clients.indexOf(client), 1);
    await docker.getContainer(client).remove({ force: true });
  }

  /** Everything that the containers of the stack have logged. */
  async logs(): Promise<string> {
    const names = await this.stack.containers();
    // The edge writes its lines together, every second.
    await new Promise((resolve) => setTimeout(resolve, 1500));
    const all = names.map(async (name) => {
      const { stdout, stderr } = await run("docker", ["logs", name], { maxBuffer: 256 << 20 });
      return stdout + stderr;
    });
    return (await Promise.all(all)).join("\n");
  }

  /** The sum of a metric over the internal ports of all replicas. */
  async metric(name: string): Promise<number> {
    const source = `console.log(JSON.stringify(await (await fetch("http://127.0.0.1:9000/metrics")).text()))`;
    const texts = await Promise.all(this.backends.map((backend) => script<string>(backend, source)));
    const values = texts.flatMap((text) =>
      text
        .split("\n")
        .filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
        .map((line) => Number(line.split(" ").at(-1))),
    );
    assert.ok(values.length > 0, `there is no metric ${name}`);
    return values.reduce((sum, value) => sum + value, 0);
  }

  /** The edge's connections, without those of this measurement. */
  async connections(): Promise<number> {
    const counters = await exec(this.edge, "curl", "-fsS", "http://127.0.0.1:8081/counters");
    return Number(/Active connections: (\d+)/.exec(counters)?.[1]) - 1;
  }

  /** How long requests of a well-behaved client take, ms, without the slowest of a hundred. @throws if one fails */
  async p99(): Promise<number> {
    const times: number[] = [];
    for (let n = 0; n < 100; n += 1) {
      const begun = performance.now();
      assert.equal((await call(`${this.stack.https}/api/auth/check`)).status, 200);
      times.push(performance.now() - begun);
    }
    return times.sort((a, b) => a - b)[98] ?? 0;
  }

  /**
   * Whether a well-behaved client does not notice an attack.
   * @param before what `p99` was before it: where other programs keep the machine busy, its requests take longer anyway.
   */
  async isServed(before: number): Promise<void> {
    const most = Math.max(UNNOTICED_MS, 4 * before);
    // Once more, as a machine that stands still for a moment is no attack: that goes on.
    const first = await this.p99();
    const now = first < most ? first : await this.p99();
    assert.ok(
      now < most,
      `p99 was ${first.toFixed(0)}, then ${now.toFixed(0)} ms, and ${before.toFixed(0)} ms before`,
    );
  }
}

const PROCESS = `
  import { readdirSync, readFileSync, writeFileSync } from "node:fs";
  const isService = (pid) => {
    try {
      const line = readFileSync("/proc/" + pid + "/cmdline", "utf8");
      return line.startsWith("node\\0") && line.includes("service/dist/main.js");
    } catch { return false; }
  };
  const pid = readdirSync("/proc").find((entry) => /^\\d+$/.test(entry) && isService(entry));
  if (!pid) throw new Error("the service's process is not there");
`;

/** How many files the replicas' processes have open. */
export async function openFiles(target: Target): Promise<number> {
  const source = `${PROCESS} console.log(readdirSync("/proc/" + pid + "/fd").length);`;
  const counts = await Promise.all(target.backends.map((backend) => script<number>(backend, source)));
  return counts.reduce((sum, count) => sum + count, 0);
}

/** The highest resident memory of any replica's process since `forgetPeaks`, MiB. */
export async function peakMemory(target: Target): Promise<number> {
  const source = `${PROCESS}
    console.log(/VmHWM:\\s+(\\d+)/.exec(readFileSync("/proc/" + pid + "/status", "utf8"))[1] / 1024);`;
  return Math.max(...(await Promise.all(target.backends.map((backend) => script<number>(backend, source)))));
}

/** Resets the peak (proc(5), clear_refs). */
export async function forgetPeaks(target: Target): Promise<void> {
  const source = `${PROCESS} writeFileSync("/proc/" + pid + "/clear_refs", "5"); console.log(0);`;
  await Promise.all(target.backends.map((backend) => script<number>(backend, source)));
}

/** Runs a script inside the service's own process, through its debugger. */
export async function insideService<T>(backend: string, expression: string): Promise<T> {
  const source = `${PROCESS}
    process.kill(Number(pid), "SIGUSR1");
    let target;
    for (let n = 0; !target && n < 300; n += 1) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      target = await fetch("http://127.0.0.1:9229/json").then((r) => r.json()).catch(() => undefined);
    }
    const socket = new WebSocket(target[0].webSocketDebuggerUrl);
    await new Promise((resolve) => socket.addEventListener("open", resolve));
    const params = { expression: ${JSON.stringify(expression)}, returnByValue: true };
    socket.send(JSON.stringify({ id: 1, method: "Runtime.evaluate", params }));
    const { data } = await new Promise((resolve) => socket.addEventListener("message", resolve));
    console.log(JSON.stringify(JSON.parse(data).result.result.value));
    process.exit(0);`;
  return script<T>(backend, source);
}
