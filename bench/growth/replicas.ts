/** What more replicas on one machine bring and cost: requests a second at the limit, p99 at a fixed rate, CPU and memory. */
import { setTimeout as sleep } from "node:timers/promises";
import { addressOf } from "../monitoring/stack.ts";
import { median, type Row } from "../report.ts";
import { askFor, calmRound, KINDS, send, type Kind } from "../requests/send.ts";
import { machineCores, saturatedBy, spentOf, within, type Saturated, type Spent } from "./gauges.ts";
import type { Chart } from "../data/report.ts";
import { createGrowingStack, deploy } from "./stack.ts";
import { startWatch } from "./watch.ts";

export interface ReplicasOptions {
  readonly replicas: readonly number[];
  /** How long one load lasts. */
  readonly seconds: number;
}

/** One kind of request, as fast as it was answered. */
export interface Limit {
  /** Answered by 2xx, one value for each round. */
  readonly perSecond: readonly number[];
  readonly failed: number;
  /** Cores that the load itself took, in the last round. */
  readonly loadCores: number;
  /** Cores of the machine that were busy then, whoever used them. */
  readonly machineCores: number;
  /** In the last round, by workload. */
  readonly spent: Readonly<Record<string, Spent>>;
  readonly saturated: Saturated;
}

export interface ReplicasStep {
  readonly replicas: number;
  /** Nothing is asked. */
  readonly idle: Readonly<Record<string, Spent>>;
  /** Cores of the machine that are busy then. */
  readonly idleMachineCores: number;
  /** By kind of request. */
  readonly limits: Readonly<Record<string, Limit>>;
  /** ms at the fixed rate, by kind; one value for each round. */
  readonly calm: Readonly<Record<string, readonly number[]>>;
}

const ROUNDS = 3;
/** So many connections does each kind of load have, as in bench:requests. */
const connections: Readonly<Record<string, number>> = { reads: 50, events: 200 };
/** Requests a second of each kind. */
export const CALM_RATE = 100;
/** What a deploy leaves behind is over by then, in ms. */
const SETTLING = 15_000;

export async function measureReplicas(
  program: string,
  { replicas, seconds }: ReplicasOptions,
  done: (step: ReplicasStep) => void,
): Promise<ReplicasStep[]> {
  const watched = await createGrowingStack("replicas", { backendReplicas: replicas[0] ?? 1 });
  const { stack } = watched;
  const steps: ReplicasStep[] = [];
  try {
    for (const count of replicas) {
      if (steps.length > 0) await deploy(watched, { backendReplicas: count });
      await sleep(SETTLING);
      const address = await addressOf(stack);
      const watch = await startWatch(stack);
      try {
        await sleep(seconds * 1000);
        const idle = spentOf(watch.looks());
        const idleMachineCores = machineCores(watch.looks());
        const measure = (kind: Kind): Promise<Limit> =>
          atLimit(kind, (duration) => full(program, kind, address, duration), watch, seconds);
        const limits: Record<string, Limit> = {};
        const calm: Record<string, number[]> = {};
        for (const kind of KINDS) limits[kind.name] = await measure(kind);
        for (let round = 0; round < ROUNDS; round += 1) {
          const p99 = await calmRound(program, address, { rate: CALM_RATE, seconds });
          for (const [index, { name }] of KINDS.entries()) (calm[name] ??= []).push(p99[index] ?? NaN);
        }
        const step = { replicas: count, idle, idleMachineCores, limits, calm };
        steps.push(step);
        done(step);
      } finally {
        await watch.stop();
      }
    }
    return steps;
  } finally {
    await watched.remove();
  }
}

const full = (program: string, kind: Kind, address: string, seconds: number) =>
  send(program, {
    ...askFor(kind, address),
    connections: connections[kind.name] ?? 50,
    duration: `${seconds}s`,
  });

async function atLimit(
  kind: Kind,
  load: (seconds: number) => ReturnType<typeof send>,
  watch: Awaited<ReturnType<typeof startWatch>>,
  seconds: number,
): Promise<Limit> {
  // The first requests meet code that is not compiled yet and pools that are empty.
  await load(Math.min(seconds, 3));
  const perSecond: number[] = [];
  let [failed, loadCores, from, to] = [0, 0, 0, 0];
  for (let round = 0; round < ROUNDS; round += 1) {
    from = Date.now();
    const answers = await load(seconds);
    to = Date.now();
    perSecond.push(answers.perSecond);
    failed += answers.failed;
    loadCores = answers.cpuSeconds / ((to - from) / 1000);
  }
  const looks = within(watch.looks(), from, to);
  if (looks.length < 2) throw new Error(`the stack was not looked at while ${kind.name} were asked for`);
  return {
    ...{ perSecond, failed, loadCores, machineCores: machineCores(looks) },
    ...{ spent: spentOf(looks), saturated: saturatedBy(looks) },
  };
}

const sumOf = (spent: Readonly<Record<string, Spent>>, pick: (one: Spent) => number): number =>
  Object.values(spent).reduce((sum, one) => sum + pick(one), 0);

/** Pure: `backend 0.71, edge 0.55, …`, the largest first, without what is next to nothing. */
export function describeSpent(
  spent: Readonly<Record<string, Spent>>,
  pick: (one: Spent) => number,
  digits: number,
): string {
  const least = 0.02 * sumOf(spent, pick);
  return Object.entries(spent)
    .map(([workload, one]): [string, number] => [workload, pick(one)])
    .filter(([, value]) => value >= least)
    .sort(([, left], [, right]) => right - left)
    .map(([workload, value]) => `${workload} ${value.toFixed(digits)}`)
    .join(", ");
}

const cores = (one: Spent): number => one.cores;
const memory = (one: Spent): number => one.memoryMiB;

/** Pure. */
export function replicasRows(steps: readonly ReplicasStep[]): Row[] {
  return steps.flatMap(({ replicas, idle, idleMachineCores, limits, calm }): Row[] => {
    const of = `${replicas} ${replicas === 1 ? "replica" : "replicas"}`;
    return [
      ...Object.entries(limits).flatMap(([kind, limit]): Row[] => [
        {
          what: `${of}: ${kind} a second at the limit`,
          unit: "a second",
          values: limit.perSecond,
          detail: `${limit.failed > 0 ? `${limit.failed} not answered by 2xx; ` : ""}first at its limit: ${limit.saturated.what}; then ${limit.saturated.next}`,
        },
        {
          what: `${of}: CPU of all containers while ${kind} are at the limit`,
          unit: "cores",
          values: [sumOf(limit.spent, cores)],
          detail: `${describeSpent(limit.spent, cores, 2)}; and ${limit.loadCores.toFixed(2)} of the load itself, of ${limit.machineCores.toFixed(2)} of the whole machine`,
        },
        {
          what: `${of}: memory of all containers while ${kind} are at the limit`,
          unit: "MiB",
          values: [sumOf(limit.spent, memory)],
          detail: describeSpent(limit.spent, memory, 0),
        },
      ]),
      ...Object.entries(calm).map(([kind, values]): Row => ({
        what: `${of}: p99 of ${kind} at ${CALM_RATE} a second of each kind`,
        unit: "ms",
        values,
      })),
      {
        what: `${of}: memory of all containers, idle`,
        unit: "MiB",
        values: [sumOf(idle, memory)],
        detail: describeSpent(idle, memory, 0),
      },
      {
        what: `${of}: CPU of all containers, idle`,
        unit: "cores",
        values: [sumOf(idle, cores)],
        detail: `${describeSpent(idle, cores, 3)}; of ${idleMachineCores.toFixed(2)} of the whole machine`,
      },
    ];
  });
}

/** Pure. */
export function replicasCharts(steps: readonly ReplicasStep[]): Chart[] {
  const bars = (value: (step: ReplicasStep) => number) =>
    steps.map((step) => ({ label: `${step.replicas} replicas`, value: value(step) }));
  return [
    ...KINDS.flatMap(({ name }) => [
      {
        title: `${name} a second at the limit`,
        bars: bars(({ limits }) => median(limits[name]?.perSecond ?? [])),
      },
      {
        title: `p99 of ${name} at ${CALM_RATE} a second of each kind, ms`,
        bars: bars(({ calm }) => median(calm[name] ?? [])),
      },
    ]),
    { title: "Memory of all containers, idle, MiB", bars: bars(({ idle }) => sumOf(idle, memory)) },
    { title: "Memory of the replicas, idle, MiB", bars: bars(({ idle }) => idle["backend"]?.memoryMiB ?? 0) },
  ];
}
