/**
 * `npm run bench:requests`: compares how fast requests are answered, by one replica and through the edge of a stack of its
 * own, with a bare Express app, in one run. Writes docs/bench/requests.md and requests.json. Needs Go, and takes about
 * four minutes.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { cpus, loadavg, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { createCheckout, removeCheckout } from "../test/support/checkout.ts";
import { createStack, docker, type TestStack } from "../test/support/stack.ts";
import { exitIfKept } from "../tools/host/npm-flags.ts";
import { prepare } from "../tools/test/prepare.ts";
import { median, writeReport, type Row } from "./report.ts";
import { buildLoad, KINDS, send, SERVED, type Answers } from "./requests/send.ts";
import { freePort } from "../tools/host/free-port.ts";

interface Target {
  readonly name: string;
  /** host:port */
  readonly address: string;
  /** The name that it serves; default: the address. */
  readonly host?: string;
  readonly path: string;
}

/** All of them take turns, so that a busy machine slows all of them alike. */
const ROUNDS = 5;
const CONNECTIONS = 50;
/** Requests a second of the calm load, and for how long. */
const CALM = 450;
const CALM_SECONDS = 4;
/** All load comes from one address, so its limits have to be higher than the load. */
const UNLIMITED = 1_000_000;
const [reads, ownEvents] = KINDS;
const REPOSITORY = join(import.meta.dirname, "..");
const FOLDER = mkdtempSync(join(tmpdir(), "omniai-requests-"));

exitIfKept("bench:requests", []);
const PROGRAM = buildLoad(FOLDER);

const load = (
  { address, host = address, path }: Target,
  options: Record<string, string | number>,
): Promise<Answers> => send(PROGRAM, { address, host, path, connections: CONNECTIONS, ...options });

async function startExpress(port: number): Promise<ChildProcess> {
  const program = join(import.meta.dirname, "requests/express.ts");
  const child = spawn(process.execPath, [program, String(port)], { stdio: ["ignore", "ignore", "inherit"] });
  for (const end = Date.now() + 15_000; ;) {
    const isUp = await fetch(`http://127.0.0.1:${port}/healthz`).then(
      ({ ok }) => ok,
      () => false,
    );
    if (isUp) return child;
    if (Date.now() > end) throw new Error(`the Express app does not answer on port ${port}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** The address of the first container of a workload on one of the stack's networks. */
async function addressOf(stack: TestStack, workload: string, network: string): Promise<string> {
  const [name = ""] = await stack.containers(workload);
  const { NetworkSettings } = await docker.getContainer(name).inspect();
  const address = NetworkSettings.Networks[`omniai-${stack.name}-${network}`]?.IPAddress;
  if (!address) throw new Error(`${name || workload} has no address on network ${network}`);
  return address;
}

class Run {
  readonly perSecond: number[] = [];
  readonly p99: number[] = [];
  readonly target: Target;
  readonly #options: Record<string, string | number>;
  failed = 0;

  constructor(target: Target, options: Record<string, string | number> = {}) {
    this.target = target;
    this.#options = options;
  }

  async full(): Promise<void> {
    const { perSecond, failed } = await load(this.target, { ...this.#options, duration: "3s" });
    this.perSecond.push(perSecond);
    this.failed += failed;
  }

  async calm(): Promise<void> {
    const { p99, failed, answered } = await load(this.target, {
      ...this.#options,
      rate: CALM,
      duration: `${CALM_SECONDS}s`,
    });
    // A server that refuses or drops what it cannot do is not a fast one.
    const isWhole = failed === 0 && answered >= 0.98 * CALM * CALM_SECONDS;
    this.p99.push(isWhole ? p99 : NaN);
    this.failed += failed;
  }
}

async function measure(stack: TestStack, expressPort: number): Promise<Row[]> {
  const edge = `${await addressOf(stack, "edge", "public")}:8080`;
  const replica = `${await addressOf(stack, "backend", "app")}:8000`;
  const express = new Run({ name: "bare Express", address: `127.0.0.1:${expressPort}`, path: "/healthz" });
  const direct = new Run({ name: "/healthz of one replica", address: replica, path: "/healthz" });
  const through = new Run({
    name: "/healthz through the edge",
    address: edge,
    host: SERVED,
    path: "/healthz",
  });
  const summary = new Run({
    name: "health-summary through the edge",
    address: edge,
    host: SERVED,
    path: reads.path,
  });
  const events = [10, 200].map(
    (connections) =>
      new Run(
        {
          name: `events acknowledged through the edge, ${connections} connections`,
          address: edge,
          host: SERVED,
          path: ownEvents.path,
        },
        { body: ownEvents.body, connections },
      ),
  );
  const readers = [express, direct, through, summary];
  for (const run of readers) await load(run.target, { duration: "2s" });
  for (let round = 0; round < ROUNDS; round++) {
    for (const run of [...readers, ...events]) await run.full();
    for (const run of readers) await run.calm();
  }
  const ratio = (run: Run): number => median(run.perSecond) / median(express.perSecond);
  const slower = (run: Run): number => median(run.p99) / median(express.p99);
  return [
    ...[...readers, ...events].map(({ target: { name }, perSecond, failed }): Row => ({
      what: name,
      unit: "a second",
      values: perSecond,
      ...(failed > 0 ? { detail: `${failed} not answered with 2xx` } : {}),
    })),
    ...readers.map(({ target: { name }, p99 }): Row => ({
      what: `${name}: p99 at ${CALM} requests a second`,
      unit: "ms",
      values: p99,
    })),
    { what: "/healthz of one replica, beside bare Express", unit: "×", values: [ratio(direct)], least: 0.9 },
    {
      what: "/healthz through the edge, beside bare Express",
      unit: "×",
      values: [ratio(through)],
      least: 0.7,
    },
    {
      what: "health-summary through the edge, beside bare Express",
      unit: "×",
      values: [ratio(summary)],
      least: 0.4,
    },
    ...[direct, through, summary].map((run): Row => ({
      what: `p99 of ${run.target.name}, beside bare Express`,
      unit: "×",
      values: [slower(run)],
      limit: 2,
    })),
  ];
}

const [LOAD_BEFORE = 0] = loadavg();
Object.assign(process.env, await prepare(new Set(["stack"]), true));
const CHECKOUT = createCheckout();
const stack = await createStack(
  CHECKOUT,
  { edgeRequestRate: 100_000, edgeConnections: 10_000, requestsPerMinute: UNLIMITED },
  `requests-${process.pid}`,
);
let peer: ChildProcess | undefined;
const clear = async (): Promise<void> => {
  peer?.kill();
  await stack.remove();
  removeCheckout(CHECKOUT);
  rmSync(FOLDER, { recursive: true, force: true });
};
process.once("SIGINT", () => void clear().finally(() => process.exit(130)));
try {
  const { code, output } = await stack.run("up", "--yes");
  if (code !== 0) throw new Error(`up failed:\n${output}`);
  const port = await freePort();
  peer = await startExpress(port);
  const rows = await measure(stack, port);
  const machine = `${cpus().length} cores (servers and clients share them), ${Math.round(totalmem() / 2 ** 30)} GiB; load average ${LOAD_BEFORE.toFixed(1)} before the stack was started`;
  writeReport(join(REPOSITORY, "docs/bench"), "requests", machine, rows);
  for (const { what, unit, values } of rows)
    console.log(`${what}: ${values.map((value) => value.toFixed(1)).join(", ")} ${unit}`);
} finally {
  await clear();
}
