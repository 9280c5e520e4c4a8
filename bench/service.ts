/**
 * `npm run bench:service`: compares the streams of this service with two peers and a bare fan-out in one run. Each server
 * has one core, the clients have the other, and all use the loopback. Writes docs/bench/service.md, .json and .svg. Needs
 * two cores, Go, Docker and apt, and takes about ten minutes.
 */
import { spawnSync } from "node:child_process";
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, loadavg, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { buildProgram } from "./go-program.ts";
import { median, writeReport, type Row } from "./report.ts";
import { renderChart, type Bar } from "./service/chart.ts";
import { residentOf } from "./service/cost.ts";
import { compareFilters } from "./service/filters.ts";
import { appendLoop, load } from "./service/programs.ts";
import { betterSse, nchan, omniai, probe, type Target } from "./service/servers.ts";

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const FOLDER = mkdtempSync(join(tmpdir(), "omniai-bench-"));
const SOURCES = join(import.meta.dirname, "service");
const CLIENT = buildProgram(join(SOURCES, "sse-load"), FOLDER);
const PROBE = buildProgram(join(SOURCES, "probe"), FOLDER);
const APPEND_LOOP = buildProgram(join(SOURCES, "append-loop"), FOLDER);

/** How many connections the server of this URL has open. */
function openAt(target: Target): number {
  const { port } = new URL(target.streamUrl);
  const { stdout } = spawnSync("ss", ["-Htn", "state", "established", `( sport = :${port} )`], {
    encoding: "utf8",
  });
  return stdout.split("\n").length - 1;
}

/** Rounds of the calm and the full load. The servers take turns, so that a busy machine slows all of them alike. */
const ROUNDS = 3;
/** Published events a second. The steps end where a server delivers under nine tenths and no more than before. */
const STEPS = [50, 100, 200, 300, 450, 700, 1000, 1400, 2000, 2800];

class Run {
  readonly target: Target;
  readonly notes: string[] = [];
  /** One value for each round. */
  readonly delivered: number[] = [];
  readonly latency: number[] = [];
  kibPerStream = NaN;
  /** From the kill, and from the server's next answer, until all clients were back. */
  resumed = { afterKill: NaN, afterAnswer: NaN };
  #rates = STEPS;

  constructor(target: Target) {
    this.target = target;
  }

  async memory(): Promise<void> {
    const { target } = this;
    // Warm up, so that neither the first compilation nor the first growth of the heap is counted.
    await load(CLIENT, target, { clients: 300, rate: 100, duration: "2s", drain: "500ms", ramp: "500ms" });
    await pause(1500);
    const before = residentOf(target.pid());
    const idle = load(CLIENT, target, { clients: 5000, ramp: "4s", duration: "4s", drain: "0s" }, false);
    await pause(8000);
    this.kibPerStream = (residentOf(target.pid()) - before) / 5000;
    if (openAt(target) < 5000) this.notes.push(`only ${openAt(target)} of 5,000 streams open`);
    await idle;
    await pause(1000);
  }

  async calm(): Promise<void> {
    const options = { clients: 1000, rate: 20, publishers: 32, duration: "5s", drain: "1s", ramp: "1s" };
    const calm = await load(CLIENT, this.target, options);
    const { lost, duplicated, publish_failed: failed } = calm;
    const isWhole = lost + duplicated + failed === 0;
    // The time until the last client got an event says nothing when some client did not get it.
    this.latency.push(isWhole ? calm.last_latency_ms.p99 : NaN);
    if (!isWhole) this.notes.push(`calm: ${lost} lost, ${duplicated} twice, ${failed} not acknowledged`);
  }

  /**
   * The highest delivery rate of all steps; only events that arrive while publishing lasts count. Later rounds try
   * the best step of the first round and the one after it.
   */
  async full(): Promise<void> {
    const reached: { readonly rate: number; readonly delivered: number }[] = [];
    for (const rate of this.#rates) {
      const options = { clients: 1000, rate, publishers: 256, duration: "3s", drain: "0s", ramp: "1s" };
      const { events_per_s: delivered, reconnects } = await load(CLIENT, this.target, options);
      if (reconnects > 0) this.notes.push(`full, ${rate} events/s: ${reconnects} streams dropped`);
      const isMore = reached.every((other) => delivered > other.delivered);
      reached.push({ rate, delivered });
      await pause(500);
      if (delivered < 0.9 * 1000 * rate && !isMore) break;
    }
    const best = reached.reduce((most, one) => (one.delivered > most.delivered ? one : most));
    this.delivered.push(best.delivered);
    this.notes.push(`most at ${best.rate} events/s`);
    const at = STEPS.indexOf(best.rate);
    this.#rates = STEPS.slice(at, at + 2);
  }

  /** Kills the server under 10,000 clients while events come, and times until all are back. */
  async resume(): Promise<void> {
    const clients = 10_000;
    const running = load(CLIENT, this.target, { clients, rate: 2, duration: "14s", drain: "4s", ramp: "6s" });
    for (const end = Date.now() + 30_000; openAt(this.target) < clients && Date.now() < end;)
      await pause(250);
    await pause(2000);
    const killed = Date.now();
    await this.target.restart();
    const answered = Date.now();
    const { lost, duplicated, published, publish_failed: failed, ...after } = await running;
    this.notes.push(
      `resume: of ${published} acknowledged events (${failed} not acknowledged) ${lost} deliveries lost, ${duplicated} twice`,
    );
    if (after.open_at_end < clients)
      this.notes.push(`resume: ${after.open_at_end} of ${clients} clients were back at the end of the run`);
    else if (lost + duplicated === 0)
      this.resumed = {
        afterKill: (after.back_at_ms - killed) / 1000,
        afterAnswer: (after.back_at_ms - answered) / 1000,
      };
  }
}

/** How many POSTs are under way at once: one after the other, a few people, a crowd. */
const POSTS = [1, 10, 200];

/** What was acknowledged a second, with so many under way at once. */
interface Acknowledged {
  readonly connections: number;
  readonly posts: number[];
  readonly appends: number[];
}

/** POSTs that were acknowledged, and appends to the same Redis by nobody but a bare loop, in turns. */
async function acknowledged({ target }: Run, connections: number): Promise<Acknowledged> {
  const posts: number[] = [];
  const appends: number[] = [];
  const address = target.redis ?? "";
  for (let round = 0; round < ROUNDS; round++) {
    const options = {
      clients: 1,
      rate: 50_000,
      publishers: connections,
      duration: "3s",
      drain: "0s",
      ramp: "0s",
    };
    posts.push((await load(CLIENT, target, options)).published / 3);
    appends.push(await appendLoop(APPEND_LOOP, { address, connections, duration: "3s" }));
  }
  return { connections, posts, appends };
}

function rowsOf({ connections, posts, appends }: Acknowledged): Row[] {
  const atOnce = `${connections} at once`;
  return [
    { what: `POSTs acknowledged on disk, ${atOnce}`, unit: "a second", values: posts },
    {
      what: `the same entries by a bare loop of XADD and WAITAOF, ${atOnce}`,
      unit: "a second",
      values: appends,
    },
    {
      what: `POSTs beside the bare loop, ${atOnce}`,
      unit: "×",
      values: [median(posts) / median(appends)],
      least: 0.5,
    },
  ];
}

const [LOAD_BEFORE = 0] = loadavg();
const RUNS: Run[] = [];
const FILTER_ROWS: Row[] = [];
const APPENDED: Acknowledged[] = [];
try {
  for (const start of [omniai, betterSse, nchan, () => probe(PROBE)]) {
    const run = new Run(await start());
    RUNS.push(run);
    await run.memory();
  }
  for (let round = 0; round < ROUNDS; round++) {
    for (const run of RUNS) await run.calm();
    for (const run of RUNS) await run.full();
  }
  const [first] = RUNS;
  if (first) {
    for (const connections of POSTS) APPENDED.push(await acknowledged(first, connections));
    FILTER_ROWS.push(...(await compareFilters(first.target, CLIENT)));
    await first.resume();
  }
} finally {
  for (const { target } of RUNS) target.stop();
  rmSync(FOLDER, { recursive: true, force: true });
}

const [ours, sse, pushModule, bare] = RUNS as [Run, Run, Run, Run];
const ratio = (peer: Run): number => median(ours.delivered) / median(peer.delivered);
const ROWS: Row[] = [
  ...RUNS.flatMap(({ target: { name }, delivered, latency, kibPerStream, notes }): Row[] => [
    {
      what: `${name}: delivered, 1,000 clients`,
      unit: "events/s",
      values: delivered,
      detail: notes.join("; "),
    },
    { what: `${name}: POST to the last of 1,000 clients, p99, 20 events/s`, unit: "ms", values: latency },
    {
      what: `${name}: resident memory a stream, 5,000 streams`,
      unit: "KiB",
      values: [kibPerStream],
      ...(name === ours.target.name ? { limit: 10 } : {}),
    },
  ]),
  { what: `delivered, beside ${sse.target.name}`, unit: "×", values: [ratio(sse)], least: 4 },
  { what: `delivered, beside ${pushModule.target.name}`, unit: "×", values: [ratio(pushModule)], least: 1.2 },
  { what: `delivered, beside ${bare.target.name}`, unit: "×", values: [ratio(bare)], least: 0.8 },
  {
    what: `p99, beside ${pushModule.target.name}`,
    unit: "×",
    values: [median(ours.latency) / median(pushModule.latency)],
    limit: 1,
  },
  {
    what: "10,000 clients resumed, from the kill on",
    unit: "s",
    values: [ours.resumed.afterKill],
    limit: 3,
  },
  {
    what: "10,000 clients resumed, from the first answer after the kill on",
    unit: "s",
    values: [ours.resumed.afterAnswer],
  },
  ...APPENDED.flatMap(rowsOf),
  ...FILTER_ROWS,
];
const DOCS = join(import.meta.dirname, "../docs/bench");
const PAGE = join(DOCS, "service.md");
const NOTES_TITLE = "\n## Reading the numbers\n";
const NOT_READ = "\n**Written about earlier figures than those above.**\n";
const WRITTEN = existsSync(PAGE) ? readFileSync(PAGE, "utf8") : "";
const MACHINE = `${cpus().length} cores (server on one, clients and Redis on the other), ${Math.round(totalmem() / 2 ** 30)} GiB, of which others took their part: load average ${LOAD_BEFORE.toFixed(1)} before the first server started`;
writeReport(DOCS, "service", MACHINE, ROWS);
const bars = (value: (run: Run) => number): Bar[] =>
  RUNS.map((run) => ({ label: run.target.name, value: value(run) }));
const CHART = renderChart([
  {
    title: "Delivered events a second, 1,000 clients",
    bars: bars(({ delivered }) => median(delivered)),
  },
  {
    title: "POST to the last of 1,000 clients, p99 in ms, 20 events a second",
    bars: bars(({ latency }) => median(latency)),
  },
  { title: "KiB a stream, 5,000 streams", bars: bars(({ kibPerStream }) => kibPerStream) },
]);
writeFileSync(join(DOCS, "service.svg"), CHART);
appendFileSync(PAGE, "\n![The servers side by side](service.svg)\n");
// This part is written by hand about earlier figures. It is kept, and says so until somebody has read it beside these.
if (WRITTEN.includes(NOTES_TITLE)) {
  const notes = WRITTEN.slice(WRITTEN.indexOf(NOTES_TITLE) + NOTES_TITLE.length).replace(NOT_READ, "");
  appendFileSync(PAGE, `${NOTES_TITLE}${NOT_READ}${notes}`);
}
for (const { what, unit, values } of ROWS)
  console.log(`${what}: ${values.map((value) => value.toFixed(1)).join(", ")} ${unit}`);
