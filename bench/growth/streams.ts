/** How many streams a machine holds: memory and CPU of each, how soon the last client has an event, and what ends first. */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { docker } from "../../test/support/stack.ts";
import { buildProgram } from "../go-program.ts";
import { one, type WatchedStack } from "../monitoring/stack.ts";
import type { Row } from "../report.ts";
import { SERVED } from "../requests/send.ts";
import { addAddresses } from "./addresses.ts";
import {
  firstSaturated,
  machineCores,
  samplesOf,
  saturatedBy,
  spentOf,
  within,
  type Counters,
  type Refusal,
  type Saturated,
  type Spent,
} from "./gauges.ts";
import { describeSpent } from "./replicas.ts";
import type { Chart } from "../data/report.ts";
import { createGrowingStack, deploy } from "./stack.ts";
import { startWatch } from "./watch.ts";
import { edgeErrors, placesOf, waysOf } from "./ways.ts";

export interface StreamsOptions {
  readonly streams: readonly number[];
  /** How long events are published. */
  readonly seconds: number;
}

/** What sse-load prints of it. */
interface Load {
  readonly admitted: number;
  readonly admitted_at_end: number;
  readonly opened_at_ms: number;
  readonly published_from_ms: number;
  readonly published_to_ms: number;
  readonly published: number;
  readonly publish_failed: number;
  readonly lost: number;
  readonly events_per_s: number;
  readonly last_latency_ms: { readonly p50: number; readonly p99: number; readonly max: number };
  readonly refusals: readonly {
    readonly what: string;
    readonly count: number;
    readonly first_at_ms: number;
    readonly open: number;
  }[];
  readonly cpu_seconds: number;
}

export interface StreamsStep {
  readonly wanted: number;
  readonly replicas: number;
  /** The memory limits in MiB that this step was given. */
  readonly edgeMemory: number;
  readonly backendMemory: number;
  /** Open once all that were wanted had been opened or refused, and when the last event had been published. */
  readonly open: number;
  readonly openAtEnd: number;
  /** Before the first stream, by workload. */
  readonly before: Readonly<Record<string, Spent>>;
  /** With all of them open, before the first event. */
  readonly atRest: Readonly<Record<string, Spent>>;
  /** While events are published. */
  readonly busy: Readonly<Record<string, Spent>>;
  /** ms from the POST until the last client has the event. */
  readonly last: Load["last_latency_ms"];
  readonly published: number;
  readonly notAcknowledged: number;
  readonly lost: number;
  /** Deliveries a second, of all clients. */
  readonly delivered: number;
  /** While events are published: cores that the load itself took, and that were busy on the machine, whoever used them. */
  readonly loadCores: number;
  readonly machineCores: number;
  /** The latter with all streams open, before the first event. */
  readonly machineCoresAtRest: number;
  /** While streams were opened and events published. */
  readonly first: Saturated;
  /** While events were published. */
  readonly whileBusy: Saturated;
  readonly refusals: Load["refusals"];
  /** What nginx said of itself, and how often. */
  readonly edgeErrors: Readonly<Record<string, number>>;
}

/** Events a second. */
export const EVENTS = 20;
/** Streams opened a second: at this rate neither the edge nor a replica counts them as too fast. */
const OPENED = 200;
const ADDRESSES = 64;
/** After so many refusals the end is found. */
const ENOUGH = 50;
/** How long all streams are open before the first event, in seconds. */
const HOLD = 8;
/** Of the places of all replicas so many are used: the edge does not spread streams to the last one evenly. */
const EVEN = 0.8;
const LEAST_REPLICAS = 2;
/** The most that the config takes. */
export const MOST_REPLICAS = 16;
/** The edge's memory limit where its memory is to be measured, not its limit, in MiB. */
const ROOMY_EDGE = 2048;
const SETTLING = 15_000;
const run = promisify(execFile);

/** Pure: so many replicas that all streams find a place. @param places of one replica */
export const replicasFor = (streams: number, places: number): number =>
  Math.min(MOST_REPLICAS, Math.max(LEAST_REPLICAS, Math.ceil(streams / (EVEN * places))));

export const buildStreams = (folder: string): string =>
  buildProgram(join(import.meta.dirname, "../service/sse-load"), folder);

export interface StreamsResult {
  /** With the defaults of the config: how far they carry. */
  readonly asShipped: StreamsStep;
  /** With as many replicas and as much memory as the streams need. */
  readonly steps: readonly StreamsStep[];
}

export async function measureStreams(
  program: string,
  { streams, seconds }: StreamsOptions,
  done: (step: StreamsStep) => void,
): Promise<StreamsResult> {
  const watched = await createGrowingStack("streams");
  const { stack } = watched;
  try {
    await sleep(SETTLING);
    const measure = async (wanted: number): Promise<StreamsStep> => {
      const step = await measureStep(program, watched, wanted, seconds);
      done(step);
      return step;
    };
    const places = Math.max(...(await placesOf(stack)).map(({ max }) => max));
    const asShipped = await measure(Math.max(...streams));
    const steps: StreamsStep[] = [];
    for (const wanted of streams) {
      await deploy(watched, { backendReplicas: replicasFor(wanted, places), edgeMemory: ROOMY_EDGE });
      // What replicas and workers of the edge have kept of an earlier crowd would be missing in what this one takes.
      await restart(watched);
      await sleep(SETTLING);
      steps.push(await measure(wanted));
    }
    return { asShipped, steps };
  } finally {
    await watched.remove();
  }
}

async function restart({ stack }: WatchedStack): Promise<void> {
  const { code, output } = await stack.run("restart");
  if (code !== 0) throw new Error(`restart failed:\n${output}`);
}

async function limitOf(watched: WatchedStack, workload: string): Promise<number> {
  const { HostConfig } = await docker.getContainer(await one(watched.stack, workload)).inspect();
  return Math.round((HostConfig.Memory ?? 0) / 2 ** 20);
}

async function measureStep(
  program: string,
  watched: WatchedStack,
  wanted: number,
  seconds: number,
): Promise<StreamsStep> {
  const { stack } = watched;
  const edge = await docker.getContainer(await one(stack, "edge")).inspect();
  const address = edge.NetworkSettings.Networks[`omniai-${stack.name}-public`]?.IPAddress ?? "";
  const sources = await addAddresses(stack, ADDRESSES);
  const watch = await startWatch(stack, await waysOf(stack));
  try {
    await sleep(HOLD * 1000);
    const began = Date.now();
    const options = {
      url: `https://${SERVED}/api/events`,
      "publish-url": `https://${SERVED}/api/events`,
      "publish-body": '{"type":"numbered","data":%s}',
      ...{ dial: `${address}:8443`, sources: sources.addresses.join(","), insecure: "true" },
      ...{ clients: wanted, ramp: `${wanted / OPENED}s`, hold: `${HOLD}s`, enough: ENOUGH },
      ...{ rate: EVENTS, publishers: 32, duration: `${seconds}s`, drain: "5s" },
    };
    const flags = Object.entries(options).map(([name, value]) => `-${name}=${value}`);
    const { stdout } = await run(program, flags, { maxBuffer: 64 << 20 });
    const load = JSON.parse(stdout) as Load;
    const looks = await watch.stop();
    return {
      wanted,
      replicas: (await stack.containers("backend")).length,
      edgeMemory: await limitOf(watched, "edge"),
      backendMemory: await limitOf(watched, "backend"),
      ...figuresOf(load, looks, began),
      edgeErrors: await edgeErrors(stack, began),
    };
  } finally {
    await watch.stop();
    sources.remove();
  }
}

/** Pure. @param began before the first stream (Unix ms) */
function figuresOf(load: Load, looks: readonly Counters[], began: number) {
  const span = (from: number, to: number): Counters[] => within(looks, from, to);
  const atRest = span(load.opened_at_ms, load.published_from_ms);
  const busy = span(load.published_from_ms, load.published_to_ms);
  const refusals = load.refusals.map((one): Refusal => ({ ...one, at: one.first_at_ms }));
  return {
    open: load.admitted,
    openAtEnd: load.admitted_at_end,
    before: spentOf(looks.filter(({ at }) => at <= began)),
    atRest: spentOf(atRest),
    busy: spentOf(busy),
    last: load.last_latency_ms,
    published: load.published,
    notAcknowledged: load.publish_failed,
    lost: load.lost,
    delivered: load.events_per_s,
    loadCores: (load.cpu_seconds * 1000) / (load.published_to_ms - load.published_from_ms),
    machineCores: machineCores(busy),
    machineCoresAtRest: machineCores(atRest),
    first: firstSaturated(samplesOf(span(began, load.published_to_ms)), refusals, began),
    whileBusy: saturatedBy(busy),
    refusals: load.refusals,
  };
}

const memoryOf = (spent: Readonly<Record<string, Spent>>, workload: string): number =>
  spent[workload]?.memoryMiB ?? NaN;
const coresOf = (spent: Readonly<Record<string, Spent>>, workload: string): number =>
  spent[workload]?.cores ?? NaN;

/** Pure: KiB of a workload for each stream that is open. */
export const kibPerStream = ({ before, atRest, open }: StreamsStep, workload: string): number =>
  ((memoryOf(atRest, workload) - memoryOf(before, workload)) / open) * 1024;

const list = (counts: Readonly<Record<string, number>>): string =>
  Object.entries(counts)
    .map(([what, count]) => `${count} × ${what}`)
    .join("; ");

/** Pure. @param which what is said of the stack beside its streams. */
export function stepRows(step: StreamsStep, which = "room enough"): Row[] {
  const { wanted, replicas, edgeMemory, backendMemory, open, openAtEnd, first, whileBusy, last } = step;
  const name = `${wanted.toLocaleString("en")} streams, ${which}`;
  const told = step.refusals.map(({ what, count }) => `${count} × “${what}”`).join("; ");
  const errors = list(step.edgeErrors);
  const isWhole = step.lost + step.notAcknowledged === 0;
  return [
    {
      what: `${name}: open`,
      unit: "streams",
      values: [open],
      detail: [
        `${replicas} replicas of ${backendMemory} MiB, the edge ${edgeMemory} MiB; ${openAtEnd} at the end`,
        `first at its limit: ${first.what}; then ${first.next}`,
        ...(told === "" ? [] : [`refused: ${told}`]),
        ...(errors === "" ? [] : [`nginx: ${errors}`]),
      ].join("; "),
    },
    {
      what: `${name}: memory of the edge`,
      unit: "MiB",
      values: [memoryOf(step.busy, "edge")],
      detail: `${memoryOf(step.before, "edge").toFixed(0)} without streams, ${memoryOf(step.atRest, "edge").toFixed(0)} before the first event`,
    },
    {
      what: `${name}: memory of all replicas`,
      unit: "MiB",
      values: [memoryOf(step.busy, "backend")],
      detail: `${memoryOf(step.before, "backend").toFixed(0)} without streams, ${memoryOf(step.atRest, "backend").toFixed(0)} before the first event`,
    },
    {
      what: `${name}: memory of a stream, in the edge and the replicas`,
      unit: "KiB",
      values: [kibPerStream(step, "edge") + kibPerStream(step, "backend")],
      detail: `edge ${kibPerStream(step, "edge").toFixed(1)}, replicas ${kibPerStream(step, "backend").toFixed(1)}`,
    },
    {
      what: `${name}: CPU of all containers at ${EVENTS} events a second`,
      unit: "cores",
      values: [Object.values(step.busy).reduce((sum, { cores }) => sum + cores, 0)],
      detail: `${describeSpent(step.busy, ({ cores }) => cores, 2)}; and ${step.loadCores.toFixed(2)} of the load itself, of ${step.machineCores.toFixed(2)} of the whole machine; at its limit: ${whileBusy.what}`,
    },
    {
      what: `${name}: POST to the last client, p99`,
      unit: "ms",
      values: [isWhole ? last.p99 : NaN],
      detail: `p50 ${last.p50.toFixed(0)}, longest ${last.max.toFixed(0)} ms; ${step.delivered.toFixed(0)} deliveries a second; ${step.lost} lost, ${step.notAcknowledged} not acknowledged of ${step.published + step.notAcknowledged} events`,
    },
  ];
}

/** Pure. */
export const streamsRows = ({ asShipped, steps }: StreamsResult): Row[] => [
  ...stepRows(asShipped, "the defaults"),
  ...steps.flatMap((step) => stepRows(step)),
];

/** Pure. */
export function streamsCharts({ steps }: StreamsResult): Chart[] {
  const bars = (value: (step: StreamsStep) => number) =>
    steps.map((step) => ({ label: `${step.open.toLocaleString("en")} streams`, value: value(step) }));
  return [
    { title: "Memory of the edge, MiB", bars: bars(({ busy }) => memoryOf(busy, "edge")) },
    { title: "Memory of all replicas, MiB", bars: bars(({ busy }) => memoryOf(busy, "backend")) },
    ...["edge", "backend"].map((workload) => ({
      title: `CPU of the ${workload} at ${EVENTS} events a second, cores`,
      bars: bars(({ busy }) => coresOf(busy, workload)),
    })),
    { title: "POST to the last client, p99, ms", bars: bars(({ last }) => last.p99) },
  ];
}
