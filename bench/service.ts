/**
 * `npm run bench:service`: streams of this service beside two peers, in one run: each server on one core, the clients on
 * the other, all on loopback. Writes docs/bench/service.md, .json and .svg. Needs two cores, Go, Docker and apt; takes
 * less than five minutes.
 */
import { spawn, spawnSync } from "node:child_process";
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { writeReport, type Row } from "./report.ts";
import { renderChart, type Bar } from "./service/chart.ts";
import { betterSse, clientCore, nchan, omniai, type Target } from "./service/servers.ts";

interface Load {
  readonly opened: number;
  readonly reconnects: number;
  readonly delivered: number;
  readonly lost: number;
  readonly duplicated: number;
  readonly publish_failed: number;
  readonly published: number;
  readonly events_per_s: number;
  readonly latency_ms: { readonly p50: number; readonly p99: number; readonly max: number };
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const folder = mkdtempSync(join(tmpdir(), "omniai-bench-"));
const client = join(folder, "sse-load");

function build(): void {
  const source = join(import.meta.dirname, "service/sse-load");
  const { status, stderr } = spawnSync("go", ["build", "-o", client, "."], { cwd: source, encoding: "utf8" });
  if (status !== 0) throw new Error(`sse-load cannot be built: ${stderr}`);
}

function load(
  target: Target,
  options: Record<string, string | number>,
  isPublishing: boolean,
): Promise<Load> {
  const all = {
    url: target.streamUrl,
    ...(isPublishing ? { "publish-url": target.publishUrl, "publish-body": target.publishBody } : {}),
    ...options,
  };
  const args = Object.entries(all).flatMap(([name, value]) => [`-${name}`, String(value)]);
  const child = spawn("taskset", ["-c", clientCore, client, ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let text = "";
  child.stdout.on("data", (data: Buffer) => (text += data.toString()));
  return new Promise((resolve, reject) => {
    child.on("exit", (code) => {
      if (code === 0) resolve(JSON.parse(text) as Load);
      else reject(new Error(`sse-load ended with ${String(code)}`));
    });
  });
}

/** Resident memory of a process, KiB. */
function residentOf(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
}

/** Connections that the server of this URL has open. */
function openAt(target: Target): number {
  const { port } = new URL(target.streamUrl);
  const { stdout } = spawnSync("ss", ["-Htn", "state", "established", `( sport = :${port} )`], {
    encoding: "utf8",
  });
  return stdout.split("\n").length - 1;
}

interface Result {
  readonly name: string;
  readonly delivered: number;
  readonly latency: Load["latency_ms"];
  readonly kibPerStream: number;
  readonly resumeSeconds: number | undefined;
  readonly notes: string[];
}

async function measure(start: () => Promise<Target>, resumes: boolean): Promise<Result> {
  const target = await start();
  const notes: string[] = [];
  try {
    // Warm, so that neither the first compilation nor the first growth of the heap is counted.
    await load(target, { clients: 300, rate: 100, duration: "2s", drain: "500ms", ramp: "500ms" }, true);
    await pause(1500);
    const before = residentOf(target.pid());
    const idle = load(target, { clients: 5000, ramp: "4s", duration: "4s", drain: "0s" }, false);
    await pause(8000);
    const kibPerStream = (residentOf(target.pid()) - before) / 5000;
    if (openAt(target) < 5000) notes.push(`only ${openAt(target)} of 5,000 streams open`);
    await idle;
    await pause(1000);
    const calm = await load(
      target,
      { clients: 1000, rate: 20, duration: "5s", drain: "1s", ramp: "1s" },
      true,
    );
    if (calm.lost + calm.duplicated > 0) notes.push(`calm: ${calm.lost} lost, ${calm.duplicated} twice`);
    // More than any of them can deliver: without drain, so that only what arrives while it lasts is counted.
    const full = await load(
      target,
      { clients: 1000, rate: 1000, publishers: 16, duration: "6s", drain: "0s", ramp: "1s" },
      true,
    );
    if (full.reconnects > 0) notes.push(`full: ${full.reconnects} streams dropped`);
    const resumeSeconds = resumes ? await resume(target, notes) : undefined;
    return {
      name: target.name,
      delivered: full.events_per_s,
      latency: calm.latency_ms,
      kibPerStream,
      resumeSeconds,
      notes,
    };
  } finally {
    target.stop();
  }
}

/** Kills the server under 10,000 clients while events come; from its answering again until all are back. */
async function resume(target: Target, notes: string[]): Promise<number> {
  const clients = 10_000;
  const running = load(target, { clients, rate: 2, duration: "14s", drain: "4s", ramp: "6s" }, true);
  for (const end = Date.now() + 30_000; openAt(target) < clients && Date.now() < end;) await pause(100);
  await pause(2000);
  await target.restart();
  const started = performance.now();
  while (openAt(target) < clients && performance.now() - started < 10_000) await pause(50);
  const seconds = (performance.now() - started) / 1000;
  const { lost, duplicated, published, publish_failed: failed } = await running;
  notes.push(
    `resume: of ${published} acknowledged events (${failed} not acknowledged) ${lost} deliveries lost, ${duplicated} twice`,
  );
  return seconds;
}

build();
const results: Result[] = [];
try {
  for (const [start, resumes] of [
    [omniai, true],
    [betterSse, false],
    [nchan, false],
  ] as const) {
    const result = await measure(start, resumes);
    console.log(JSON.stringify(result));
    results.push(result);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

const rows: Row[] = results.flatMap(
  ({ name, delivered, latency, kibPerStream, resumeSeconds, notes }): Row[] => [
    {
      what: `${name}: delivered, 1,000 clients`,
      unit: "events/s",
      values: [delivered],
      detail: notes.join("; "),
    },
    {
      what: `${name}: POST to client, p99, 20 events/s, 1,000 clients`,
      unit: "ms",
      values: [latency.p99],
      detail: `p50 ${latency.p50} ms, last ${latency.max} ms`,
    },
    {
      what: `${name}: resident memory a stream, 5,000 streams`,
      unit: "KiB",
      values: [kibPerStream],
      ...(resumeSeconds === undefined ? {} : { limit: 10 }),
    },
    ...(resumeSeconds === undefined
      ? []
      : [
          { what: `${name}: 10,000 clients back after a kill`, unit: "s", values: [resumeSeconds], limit: 5 },
        ]),
  ],
);
const docs = join(import.meta.dirname, "../docs/bench");
const machine = `${cpus().length} cores (server on one, clients and Redis on the other), ${Math.round(totalmem() / 2 ** 30)} GiB`;
writeReport(docs, "service", machine, rows);
const bars = (value: (result: Result) => number): Bar[] =>
  results.map((result) => ({ label: result.name, value: value(result) }));
const chart = renderChart([
  { title: "Delivered events a second, 1,000 clients", bars: bars(({ delivered }) => delivered) },
  { title: "POST to client, p99 in ms, 20 events a second", bars: bars(({ latency }) => latency.p99) },
  { title: "KiB a stream, 5,000 streams", bars: bars(({ kibPerStream }) => kibPerStream) },
]);
writeFileSync(join(docs, "service.svg"), chart);
appendFileSync(join(docs, "service.md"), "\n![The three servers side by side](service.svg)\n");
