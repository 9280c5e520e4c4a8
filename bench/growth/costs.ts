/** Pure: what one request and one stream cost, out of what was measured, and how many a host of another size would carry. */
import { MOST_CLIENT_CONNECTIONS, WORKERS } from "../../infra/components/edge/memory.ts";
import type { Spent } from "./gauges.ts";
import type { ReplicasStep } from "./replicas.ts";
import { EVENTS, MOST_REPLICAS, type StreamsStep } from "./streams.ts";

/** A host is planned to be so busy: a deploy and a backup need the rest. */
export const BUSY = 0.7;

/** Something that is done many times a second. */
export interface Work {
  /** Core seconds of one of them, by workload. */
  readonly each: Readonly<Record<string, number>>;
  /** The most there can be of it for another reason than CPU. */
  readonly cap?: { readonly count: number; readonly by: string };
}

export interface Most {
  readonly count: number;
  /** What ends it. */
  readonly by: string;
}

/** The kernel, which carries every byte several times, the engine, and whatever else runs; without the load. */
const REST = "the rest of the machine";

/** How many cores a workload can use at most, however many there are. */
const USABLE: readonly { readonly workload: string; readonly cores: number; readonly by: string }[] = [
  { workload: "edge", cores: WORKERS, by: `the edge's ${WORKERS} workers` },
  // Commands are carried out by one thread.
  { workload: "redis", cores: 1, by: "Redis' one thread" },
  { workload: "backend", cores: MOST_REPLICAS, by: `${MOST_REPLICAS} replicas` },
];

const coresOf = (spent: Readonly<Record<string, Spent>>): number =>
  Object.values(spent).reduce((sum, { cores }) => sum + cores, 0);

/** What was busy at one time. */
interface Busy {
  readonly spent: Readonly<Record<string, Spent>>;
  readonly machineCores: number;
  /** Those of the load; default: 0. */
  readonly loadCores?: number;
}

/** Cores by workload, with all else that the machine did beside the load. */
const coresBy = ({ spent, machineCores, loadCores = 0 }: Busy): Record<string, number> => ({
  ...Object.fromEntries(Object.entries(spent).map(([workload, { cores }]) => [workload, cores])),
  [REST]: Math.max(0, machineCores - loadCores - coresOf(spent)),
});

/** What a stack costs with nothing to do, and one request of each kind. */
export interface Costs {
  readonly replicas: number;
  /** Cores of the machine that are busy while nothing is asked. */
  readonly idleCores: number;
  readonly replicaMiB: number;
  readonly requests: Readonly<Record<string, Work>>;
}

/** Pure: of the stack with two replicas, the default, or of the first that was measured; undefined where none was. */
export function costsOf(steps: readonly ReplicasStep[]): Costs | undefined {
  const step = steps.find(({ replicas }) => replicas === 2) ?? steps[0];
  if (step === undefined) return undefined;
  const { replicas, idle, idleMachineCores, limits } = step;
  const { memoryMiB = NaN, containers = NaN } = idle["backend"] ?? {};
  return {
    replicas,
    idleCores: idleMachineCores,
    replicaMiB: memoryMiB / containers,
    requests: Object.fromEntries(
      Object.entries(limits).map(([kind, limit]): [string, Work] => {
        const perSecond = limit.perSecond.at(-1) ?? NaN;
        return [
          kind,
          { each: costOfEach(limit, { spent: idle, machineCores: idleMachineCores }, perSecond) },
        ];
      }),
    ),
  };
}

/** Core seconds by workload, without what it takes anyway. What is less with the load than without it costs nothing. */
function costOfEach(busy: Busy, before: Busy, perSecond: number): Record<string, number> {
  const earlier = coresBy(before);
  return Object.fromEntries(
    Object.entries(coresBy(busy)).map(([workload, cores]) => [
      workload,
      Math.max(0, cores - (earlier[workload] ?? 0)) / perSecond,
    ]),
  );
}

/** Pure: core seconds that one delivery of an event to one stream costs, by workload. */
export const costOfDelivery = (step: StreamsStep): Record<string, number> =>
  costOfEach(
    { spent: step.busy, machineCores: step.machineCores, loadCores: step.loadCores },
    { spent: step.atRest, machineCores: step.machineCoresAtRest },
    step.delivered,
  );

/** Pure: a stream that hears so many events a second as were published. */
export const workOfStreams = (step: StreamsStep): Work => ({
  each: Object.fromEntries(
    Object.entries(costOfDelivery(step)).map(([workload, seconds]) => [workload, seconds * EVENTS]),
  ),
  cap: { count: MOST_CLIENT_CONNECTIONS, by: "the edge's connections" },
});

/** Pure: \`0.52 ms of a core: backend 0.26, edge 0.24, …\`, the largest first, without what is next to nothing. */
export function describeCost(each: Readonly<Record<string, number>>, unit: "ms" | "µs"): string {
  const factor = unit === "ms" ? 1e3 : 1e6;
  const digits = unit === "ms" ? 2 : 1;
  const total = Object.values(each).reduce((sum, seconds) => sum + seconds, 0);
  const parts = Object.entries(each)
    .filter(([, seconds]) => seconds >= 0.02 * total)
    .sort(([, left], [, right]) => right - left)
    .map(([workload, seconds]) => `${workload} ${(seconds * factor).toFixed(digits)}`);
  return `${(total * factor).toFixed(digits)} ${unit} of a core: ${parts.join(", ")}`;
}

/** Pure: how many a second, or how many streams, a host carries that does nothing else. */
export function mostOf({ each, cap }: Work, cores: number, idleCores: number): Most {
  const total = Object.values(each).reduce((sum, seconds) => sum + seconds, 0);
  const ends: Most[] = [
    { count: Math.max(0, BUSY * cores - idleCores) / total, by: "its cores" },
    ...USABLE.map(({ workload, cores: most, by }) => ({ count: (BUSY * most) / (each[workload] ?? 0), by })),
    ...(cap === undefined ? [] : [cap]),
  ];
  return ends.reduce((least, one) => (one.count < least.count ? one : least));
}
