/** Proves that bench:growth names what was at its limit first, and that its pages say what was measured and what was not. */
import { strict as assert } from "node:assert";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { lastAddresses } from "../growth/addresses.ts";
import type { DatabaseStep, Taken } from "../growth/database.ts";
import { mostOf } from "../growth/costs.ts";
import { at, fitLine, isExtrapolated } from "../growth/fit.ts";
import {
  firstSaturated,
  gaugesBetween,
  machineCores,
  samplesOf,
  saturatedBy,
  spentOf,
  within,
  type Counters,
  type Gauge,
  type Sample,
} from "../growth/gauges.ts";
import type { ReplicasStep } from "../growth/replicas.ts";
import { readResults, renderGrowth, writeResults, type Results } from "../growth/report.ts";
import { isCarried, renderSizing } from "../growth/sizing.ts";
import { kibPerStream, replicasFor, type StreamsStep } from "../growth/streams.ts";
import { countErrors } from "../growth/ways.ts";

const BEGAN = 1_000_000;
const second = (count: number): number => BEGAN + count * 1000;

/** A look after so many seconds at an edge of one core and 192 MiB and two replicas, one of which does all the work. */
function look(
  seconds: number,
  { edge = 0, backend = 0, machine = 0, memory = 50, kills = 0 } = {},
): Counters {
  const container = (name: string, workload: string, cores: number) => ({
    ...{ name, workload, cpuSeconds: cores * seconds, cores: 1 },
    ...{ memoryMiB: workload === "edge" ? memory : 60, memoryLimitMiB: 192 },
    kills: workload === "edge" ? kills : 0,
  });
  return {
    ...{ at: second(seconds), cores: 2, busySeconds: machine * seconds, diskSeconds: 0 },
    ...{ memoryMiB: 1000, memoryLimitMiB: 20_000, more: [] },
    containers: [
      container("e", "edge", edge),
      container("b1", "backend", backend),
      container("b2", "backend", 0),
    ],
  };
}

describe("what was at its limit", () => {
  it("under a load that stays as it is, is the fullest on the average, with the one after it", () => {
    const named = saturatedBy([0, 1, 2].map((at) => look(at, { edge: 0.97, backend: 0.5, machine: 1.84 })));
    assert.equal(named.what, "CPU of edge, 0.97 of 1 cores");
    assert.equal(
      named.next,
      "CPU of the machine, 1.84 of 2 cores; CPU of backend (the fullest of 2), 0.50 of 1 cores (50 %)",
    );
    assert.equal(named.isAtLimit, true);
  });

  it("is nothing where nothing was, and then it says what was nearest", () => {
    const named = saturatedBy([look(0), look(1, { edge: 0.6 })]);
    assert.equal(named.what, "nothing; nearest to its limit was CPU of edge, 0.60 of 1 cores (60 %)");
    assert.equal(named.isAtLimit, false);
  });

  it("cannot be said from one look", () => {
    assert.throws(() => saturatedBy([look(0)]), /twice/);
  });

  it("counts for containers of one workload the one that is nearest to its limit", () => {
    const gauges = gaugesBetween(look(0), look(1, { backend: 0.8 }));
    const of = (what: string): Gauge | undefined => gauges.find((gauge) => gauge.what === what);
    assert.deepEqual(of("CPU of backend (the fullest of 2)")?.used, 0.8);
    assert.deepEqual(of("memory of edge")?.limit, 192);
  });

  it("leaves out the time before and after", () => {
    const looks = [0, 1, 2, 3, 4].map((at) => look(at));
    assert.deepEqual(
      within(looks, second(2), second(3)).map((one) => one.at),
      [second(1), second(2), second(3)],
    );
    assert.deepEqual(
      within(looks, second(2) + 1, second(3) - 1).map((one) => one.at),
      [second(2), second(3)],
    );
  });
});

describe("what was at its limit first", () => {
  const connections = (used: number): Gauge => ({
    ...{ what: "connections of the edge", used, limit: 100, unit: "connections" },
  });
  const memory = (used: number): Gauge => ({ what: "memory of edge", used, limit: 192, unit: "MiB" });
  const samples = (...all: readonly (readonly Gauge[])[]): Sample[] =>
    all.map((gauges, index) => ({ at: second(index), gauges }));

  it("is what was full first and stayed so, and not what was full for a moment", () => {
    const named = firstSaturated(
      samples(
        [connections(50), memory(192)],
        [connections(98), memory(100)],
        [connections(99), memory(150)],
        [connections(100), memory(192)],
        [connections(100), memory(192)],
        [connections(100), memory(192)],
      ),
      [],
      BEGAN,
    );
    assert.equal(named.what, "connections of the edge, 100 of 100 connections, after 1 s");
  });

  it("is a refusal that came before anything was full, with what was nearest to its limit then", () => {
    const refusals = [
      { what: "a timeout", count: 3, at: second(2) },
      { what: "503", count: 50, at: second(1) },
    ];
    const named = firstSaturated(samples([memory(90)], [memory(96)], [memory(192)]), refusals, BEGAN);
    assert.equal(named.what, "the load was refused: 50 × “503” after 1 s");
    assert.equal(named.next, "memory of edge, 96 of 192 MiB (50 %)");
  });

  it("names the refusal as the next where something was full before it", () => {
    const full = samples([memory(192)], [memory(192)], [memory(192)]);
    const named = firstSaturated(full, [{ what: "503", count: 1, at: second(2) }], BEGAN);
    assert.equal(named.what, "memory of edge, 192 of 192 MiB, after 0 s");
    assert.equal(named.next, "the load was refused: 1 × “503” after 2 s");
  });

  it("is memory for which the kernel ended a process, before the load was refused for it, though nobody saw it full", () => {
    const looks = [
      look(0),
      look(1, { memory: 120 }),
      look(2, { memory: 170 }),
      look(3, { memory: 90, kills: 1 }),
      look(4, { memory: 91, kills: 1 }),
    ];
    const refusals = [{ what: "an open stream ended", count: 900, at: second(2.5) }];
    const named = firstSaturated(samplesOf(looks), refusals, BEGAN);
    assert.equal(named.what, "memory of edge: the kernel ended a process at the limit of 192 MiB, after 2 s");
    assert.equal(named.next, "the load was refused: 900 × “an open stream ended” after 3 s");
  });

  it("is nothing where all had room but for a moment, and then it says what was nearest on the average", () => {
    const quiet = samples(
      [memory(96), connections(0)],
      [memory(96), connections(98)],
      [memory(96), connections(1)],
    );
    const named = firstSaturated(quiet, [], BEGAN);
    assert.equal(named.what, "nothing; nearest to its limit was memory of edge, 96 of 192 MiB (50 %)");
  });

  it("has the edge's own lines by their cause", () => {
    const text = [
      "2026/11/27 16:00:00 [alert] 29#29: *81 1024 worker_connections are not enough while connecting to upstream, client: 10.0.0.1, server: x",
      "2026/11/27 16:00:01 [alert] 30#30: 1024 worker_connections are not enough",
      '2026/11/27 16:00:01 [error] 30#30: *9 limiting connections by zone "streams", client: 10.0.0.1, server: x',
      "2026/11/27 16:00:02 [alert] 1#1: worker process 30 exited on signal 9",
      "no line of that log",
    ].join("\n");
    assert.deepEqual(countErrors(text), {
      "1024 worker_connections are not enough": 2,
      'limiting connections by zone "streams"': 1,
      "a worker process exited on signal 9": 1,
    });
  });
});

describe("a line through what was measured", () => {
  it("goes through points that lie on one, and says what lies outside of them", () => {
    const line = fitLine([1, 2, 10].map((x) => ({ x, y: 5 + 3 * x })));
    assert.ok(Math.abs(at(line, 100) - 305) < 1e-9);
    assert.deepEqual(
      [0.5, 1, 10, 11].map((x) => isExtrapolated(line, x)),
      [true, false, false, true],
    );
  });

  it("goes through the origin where one size was measured, and needs one", () => {
    assert.equal(at(fitLine([{ x: 2, y: 8 }]), 3), 12);
    assert.throws(() => fitLine([]), /a point at least/);
  });
});

describe("the addresses that clients come from", () => {
  it("are the last of the subnet, which engines hand out last", () => {
    assert.deepEqual(lastAddresses("172.18.0.0/16", 3), [
      "172.18.255.254",
      "172.18.255.253",
      "172.18.255.252",
    ]);
    assert.throws(() => lastAddresses("10.0.0.0/29", 4), /no room/);
  });
});

const saturated = { what: "CPU of edge, 1.00 of 1 cores", isAtLimit: true, next: "memory" };
const spent = (edge: number, backend: number, memory: number) => ({
  edge: { cores: edge, memoryMiB: memory, containers: 1 },
  backend: { cores: backend, memoryMiB: 2 * memory, containers: 2 },
});
const limit = (perSecond: number, edge: number, backend: number) => ({
  ...{ perSecond: [perSecond], failed: 0, loadCores: 0.5, machineCores: 1.9, saturated },
  spent: spent(edge, backend, 70),
});
const replicasStep = (replicas: number, perSecond: number): ReplicasStep => ({
  replicas,
  idle: spent(0.02, 0.08, 60),
  idleMachineCores: 0.2,
  // 1.1 cores of containers, 0.1 of them without any request; and 0.3 of the kernel, 0.1 of them without.
  limits: { reads: limit(perSecond, 0.5, 0.6), events: limit(perSecond / 2, 0.3, 0.8) },
  calm: { reads: [4], events: [6] },
});
const streamsStep = (wanted: number, more: Partial<StreamsStep> = {}): StreamsStep => ({
  ...{ wanted, replicas: 2, edgeMemory: 2048, backendMemory: 224, open: wanted, openAtEnd: wanted },
  before: spent(0.01, 0.02, 50),
  atRest: spent(0.05, 0.05, 50 + wanted / 100),
  busy: spent(0.25, 0.15, 50 + wanted / 100),
  last: { p50: 10, p99: 40, max: 90 },
  ...{
    published: 200,
    notAcknowledged: 0,
    lost: 0,
    delivered: wanted * 20,
    loadCores: 0.4,
    machineCores: 0.9,
    machineCoresAtRest: 0.1,
  },
  ...{ first: saturated, whileBusy: saturated, refusals: [], edgeErrors: {} },
  ...more,
});
const taken = (takeSeconds: number): Taken => ({
  ...{ takeSeconds, proveSeconds: 2 * takeSeconds, packedMiB: 10, saturated },
});
const databaseStep = (wanted: number): DatabaseStep => ({
  ...{ wanted, dataMiB: wanted * 1024, fillSeconds: 1, logMiB: 5, peakMiB: wanted * 2000 },
  ...{ base: taken(wanted * 8), dump: taken(wanted * 9) },
  ...{ idle: { reads: [4], events: [6] }, during: { reads: [8], events: [9] } },
});

const where = { date: "2026-01-02", commit: "abc1234", machine: "2 cores" };
const results: Results = {
  replicas: { ...where, figures: [replicasStep(1, 1000), replicasStep(2, 2000)] },
  streams: {
    ...where,
    figures: {
      asShipped: streamsStep(20_000, { open: 3999, openAtEnd: 3000, edgeMemory: 192 }),
      steps: [streamsStep(1000), streamsStep(20_000, { open: 8001, lost: 12 })],
    },
  },
  database: { ...where, figures: [databaseStep(1), databaseStep(10)] },
};

describe("the figures of growth", () => {
  it("tell what a stream takes, without what was there before it", () => {
    assert.equal(kibPerStream(streamsStep(1000), "edge"), 10.24);
    assert.equal(machineCores([look(0), look(2, { machine: 1.5 })]), 1.5);
    assert.equal(spentOf([look(0), look(2, { edge: 0.5 })])["edge"]?.cores, 0.5);
  });

  it("plan so many replicas that all streams find a place", () => {
    assert.deepEqual(
      [1000, 5000, 20_000, 1_000_000].map((streams) => replicasFor(streams, 2500)),
      [2, 3, 10, 16],
    );
  });

  it("call streams carried only when all stayed open and heard everything soon", () => {
    assert.equal(isCarried(streamsStep(10)), true);
    for (const bad of [
      { open: 9 },
      { openAtEnd: 9 },
      { lost: 1 },
      { notAcknowledged: 1 },
      { last: { p50: 1, p99: 1001, max: 2000 } },
    ])
      assert.equal(isCarried(streamsStep(10, bad)), false, JSON.stringify(bad));
  });
});

describe("the pages of growth", () => {
  it("have a section, a chart and what was first at its limit for each part", () => {
    const page = renderGrowth(results);
    for (const part of ["replicas", "streams", "database"])
      assert.ok(page.includes(`(growth-${part}.svg)`), part);
    assert.match(
      page,
      /\| 2 replicas: reads a second at the limit \| 2000\.0 a second .*first at its limit: CPU of edge, 1\.00 of 1 cores; then memory/,
    );
    assert.match(page, /\| 20,000 streams, the defaults: open \| 3999\.0 streams /);
    assert.match(page, /\| 10 GB: a full base backup \| 80\.0 s /);
    // A delay of clients that did not get all of it is none.
    assert.match(page, /\| 20,000 streams, room enough: POST to the last client, p99 \| – ms /);
  });

  it("keep the figures of the parts that did not run, also those that could not be measured", () => {
    const folder = mkdtempSync(join(tmpdir(), "omniai-growth-test-"));
    try {
      const broken = streamsStep(5000, { last: { p50: NaN, p99: NaN, max: NaN } });
      const streams = { ...where, figures: { asShipped: broken, steps: [broken] } };
      writeResults(folder, { streams });
      writeResults(folder, { database: { ...where, figures: [databaseStep(1)] } });
      const read = readResults(join(folder, "bench/growth.json"));
      assert.deepEqual(Object.keys(read), ["streams", "database"]);
      assert.deepEqual(read.streams?.figures.steps[0]?.last.p99, NaN);
      const sizing = readFileSync(join(folder, "sizing.md"), "utf8");
      assert.match(sizing, /`replicas` was not measured yet/);
      assert.match(readFileSync(join(folder, "bench/growth-streams.svg"), "utf8"), /5,000 streams/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe("the page of sizes", () => {
  const page = renderSizing(results);

  it("says what was carried, and what was not", () => {
    assert.match(page, /\| reads a second, with 2 of 1, 2 replicas \| 2,000 \| CPU of edge/);
    assert.match(page, /\| streams at 20 events a second.* \| 1,000 \|/);
    assert.match(page, /\| 20,000 streams, with 2 replicas.* \| not: 8,001 opened/);
    assert.match(page, /\| streams with the defaults.* \| 3,999 of 20,000 \|/);
  });

  it("works out costs from the figures", () => {
    // (1.4 − 0.2) cores for 2,000 reads a second.
    assert.match(
      page,
      /One of the reads, with 2 replicas: 0\.60 ms of a core: backend 0\.26, edge 0\.24, the rest of the machine 0\.10\./,
    );
    // 0.2 cores of the edge, 0.1 of the replicas and 0.1 of the rest for 400,000 deliveries a second.
    assert.match(
      page,
      /An event that is brought to a stream: 1\.0 µs of a core: edge 0\.5, backend 0\.3, the rest of the machine 0\.2 /,
    );
    assert.match(page, /its proof, s: 0\.0 \+ 16\.0 for each GiB of data/);
  });

  it("let no host carry more than one container of it can, or than there is room for", () => {
    const of = (each: Record<string, number>, cap?: { count: number; by: string }) => {
      const { count, by } = mostOf({ each, cap }, 100, 0.5);
      return { count: Math.round(count), by };
    };
    assert.deepEqual(of({ edge: 0.001, backend: 0.01 }), { count: 1120, by: "16 replicas" });
    assert.deepEqual(of({ edge: 0.01, backend: 0.01 }), { count: 140, by: "the edge's 2 workers" });
    assert.deepEqual(of({ edge: 0.001, redis: 0.001 }), { count: 700, by: "Redis' one thread" });
    assert.deepEqual(of({ edge: 0.001 }, { count: 9, by: "places" }), { count: 9, by: "places" });
    const small = mostOf({ each: { edge: 0.001, backend: 0.003 } }, 2, 0.4);
    assert.deepEqual([Math.round(small.count), small.by], [250, "its cores"]);
  });

  it("marks what lies outside of what was measured, and nothing else", () => {
    assert.match(page, /\| 10 \| 80 \| 160 \| 90 \| 180 \| 20,000 \|/);
    assert.match(page, /\| 50 \| 400 \*extrapolated\* \| 800 \*extrapolated\*/);
    // 0.7 × 4 cores, without 0.2, at 0.6 ms.
    assert.match(
      page,
      /\*Extrapolated\*: nothing of this table was measured[\s\S]*\| 4 \| 4,333 \(its cores\) \|/,
    );
  });

  it("has no figure of a part that was not measured", () => {
    const empty = renderSizing({});
    for (const part of ["replicas", "streams", "database"])
      assert.match(
        empty,
        new RegExp(`\`${part}\` was not measured yet: \`npm run bench:growth -- ${part}\``),
      );
    assert.doesNotMatch(empty.replaceAll(/\(.*?\)/g, ""), /NaN|undefined|Infinity/);
  });
});
