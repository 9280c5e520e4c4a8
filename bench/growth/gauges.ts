/** Pure: how much of what is limited was used, and what of it came to its limit first. */

/** One limited thing at one moment. */
export interface Gauge {
  /** For example `CPU of the edge`. */
  readonly what: string;
  readonly used: number;
  readonly limit: number;
  /** cores, MiB, connections, … */
  readonly unit: string;
  /** True where the kernel ended a process for it: then it was at its limit, whatever was seen of it before and after. */
  readonly hasEnded?: boolean;
}

export interface Sample {
  /** Unix ms */
  readonly at: number;
  readonly gauges: readonly Gauge[];
}

/** What the load was told instead of getting what it asked for, by cause. */
export interface Refusal {
  readonly what: string;
  readonly count: number;
  /** When it was told so first (Unix ms). */
  readonly at: number;
}

/** What one container has taken so far, and may take. */
export interface ContainerCounters {
  readonly name: string;
  readonly workload: string;
  readonly cpuSeconds: number;
  readonly memoryMiB: number;
  readonly cores: number;
  readonly memoryLimitMiB: number;
  /** Processes that the kernel has ended for memory. */
  readonly kills: number;
}

/** One look at the machine and the stack. */
export interface Counters {
  /** Unix ms */
  readonly at: number;
  readonly cores: number;
  /** CPU time of the whole machine, of all that ran on it. */
  readonly busySeconds: number;
  readonly memoryMiB: number;
  readonly memoryLimitMiB: number;
  /** How long its busiest disk has been at work. */
  readonly diskSeconds: number;
  readonly containers: readonly ContainerCounters[];
  /** What else was looked at. */
  readonly more: readonly Gauge[];
}

/** A CPU limit is enforced by the tenth of a second, so one that holds a process back is seldom used to the last percent. */
const FULL_CPU = 0.9;
const FULL = 0.97;
/** So many samples in a row have to be full: less is a moment. */
const HOLD = 3;

export const shareOf = ({ used, limit }: Gauge): number => (limit > 0 ? used / limit : 0);
export const isFull = (gauge: Gauge): boolean =>
  gauge.hasEnded === true || shareOf(gauge) >= (gauge.unit === "cores" ? FULL_CPU : FULL);

/** Pure: `CPU of the edge, 0.98 of 1 cores`. */
export const describeGauge = ({ what, used, limit, unit, hasEnded }: Gauge): string => {
  const digits = unit === "cores" || unit === "disks" ? 2 : 0;
  if (hasEnded)
    return `${what}: the kernel ended a process at the limit of ${Number(limit.toFixed(digits))} ${unit}`;
  return `${what}, ${used.toFixed(digits)} of ${Number(limit.toFixed(digits))} ${unit}`;
};

const byShare = (gauges: readonly Gauge[]): Gauge[] =>
  [...gauges].sort((left, right) => shareOf(right) - shareOf(left));

/** Of containers of one workload the one that is nearest to its limit stands for all. */
function ofContainers(before: Counters, after: Counters): Gauge[] {
  const seconds = (after.at - before.at) / 1000;
  const earlier = new Map(before.containers.map((one) => [one.name, one]));
  const byWorkload = Map.groupBy(after.containers, ({ workload }) => workload);
  return [...byWorkload].flatMap(([workload, all]) => {
    const which = all.length > 1 ? `${workload} (the fullest of ${all.length})` : workload;
    const cpu = all.flatMap((one) => {
      const was = earlier.get(one.name);
      return was === undefined
        ? []
        : [{ used: (one.cpuSeconds - was.cpuSeconds) / seconds, limit: one.cores, unit: "cores" }];
    });
    const memory = all.map((one) => {
      const hasEnded = one.kills > (earlier.get(one.name)?.kills ?? one.kills);
      // What was killed has given its memory back before anybody looked.
      const used = hasEnded ? one.memoryLimitMiB : one.memoryMiB;
      return { used, limit: one.memoryLimitMiB, unit: "MiB", ...(hasEnded ? { hasEnded } : {}) };
    });
    return [
      ...byShare(cpu.map((one) => ({ ...one, what: `CPU of ${which}` }))).slice(0, 1),
      ...byShare(memory.map((one) => ({ ...one, what: `memory of ${which}` }))).slice(0, 1),
    ];
  });
}

/** Pure: what was used between two looks, or at the second one where it is no rate. */
export function gaugesBetween(before: Counters, after: Counters): Gauge[] {
  const seconds = (after.at - before.at) / 1000;
  const { cores, memoryMiB, memoryLimitMiB } = after;
  return [
    {
      what: "CPU of the machine",
      used: (after.busySeconds - before.busySeconds) / seconds,
      limit: cores,
      unit: "cores",
    },
    { what: "memory of the machine", used: memoryMiB, limit: memoryLimitMiB, unit: "MiB" },
    {
      what: "the machine's busiest disk",
      used: (after.diskSeconds - before.diskSeconds) / seconds,
      limit: 1,
      unit: "disks",
    },
    ...ofContainers(before, after),
    ...after.more,
  ];
}

/** Pure: a sample for each look but the first. */
export const samplesOf = (looks: readonly Counters[]): Sample[] =>
  looks.slice(1).map((after, index) => {
    const before = looks[index] ?? after;
    return { at: after.at, gauges: gaugesBetween(before, after) };
  });

/**
 * Pure: the looks within a span of time, with the last one before it; and where a busy machine left none inside, the first
 * one after it.
 */
export function within(looks: readonly Counters[], from: number, to: number): Counters[] {
  const before = looks.filter(({ at }) => at < from).slice(-1);
  const inside = looks.filter(({ at }) => at >= from && at <= to);
  return [...before, ...(inside.length > 0 ? inside : looks.filter(({ at }) => at > to).slice(0, 1))];
}

/** What came to its limit first. */
export interface Saturated {
  /** In words; what it says was measured. */
  readonly what: string;
  /** Whether anything was at its limit at all. */
  readonly isAtLimit: boolean;
  /** What came next to its limit, in words. */
  readonly next: string;
}

const nextOf = (gauges: readonly Gauge[]): string =>
  gauges
    .map(
      (gauge) => `${describeGauge(gauge)}${isFull(gauge) ? "" : ` (${(shareOf(gauge) * 100).toFixed(0)} %)`}`,
    )
    .join("; ");

/**
 * Pure: of a load that stays as it is: what was at its limit on the average, the fullest first.
 * @param looks of that time alone.
 */
export function saturatedBy(looks: readonly Counters[]): Saturated {
  const [first, last] = [looks[0], looks.at(-1)];
  if (first === undefined || last === undefined || first === last)
    throw new Error("a load has to be looked at twice at least");
  const all = byShare(gaugesBetween(first, last));
  const [fullest] = all;
  if (fullest === undefined) throw new Error("nothing was looked at");
  const full = all.filter(isFull);
  if (full.length === 0)
    return {
      what: `nothing; nearest to its limit was ${nextOf([fullest])}`,
      isAtLimit: false,
      next: nextOf(all.slice(1, 3)),
    };
  return {
    what: describeGauge(fullest),
    isAtLimit: true,
    next: nextOf(all.slice(1, Math.max(3, full.length))),
  };
}

/** Pure: the first that was full and stayed so for some samples; or for which a process was ended, since the look before. */
function firstFull(samples: readonly Sample[]): { readonly at: number; readonly gauge: Gauge } | undefined {
  const runs = new Map<string, number>();
  for (const [index, { at, gauges }] of samples.entries()) {
    const held: Gauge[] = [];
    for (const gauge of gauges) {
      const length = isFull(gauge) ? (runs.get(gauge.what) ?? 0) + 1 : 0;
      runs.set(gauge.what, length);
      if (gauge.hasEnded) return { at: samples[index - 1]?.at ?? at, gauge };
      if (length === HOLD) held.push(gauge);
    }
    const [gauge] = byShare(held);
    if (gauge) return { at: samples[index - HOLD + 1]?.at ?? NaN, gauge };
  }
  return undefined;
}

const averageOf = (samples: readonly Sample[]): Gauge[] =>
  [
    ...Map.groupBy(
      samples.flatMap(({ gauges }) => gauges),
      ({ what }) => what,
    ).values(),
  ].flatMap((all) => {
    const [first] = all;
    return first ? [{ ...first, used: all.reduce((sum, { used }) => sum + used, 0) / all.length }] : [];
  });

/**
 * Pure: of a load that grows: what was at its limit first, or what the load was refused before anything was. A refusal names
 * what was nearest to its limit then.
 * @param began when the load began to grow (Unix ms).
 */
export function firstSaturated(
  samples: readonly Sample[],
  refusals: readonly Refusal[],
  began: number,
): Saturated {
  const full = firstFull(samples);
  const [refusal] = [...refusals].sort((left, right) => left.at - right.at);
  const after = (at: number): string => `after ${((at - began) / 1000).toFixed(0)} s`;
  const nearest = (at: number): Gauge[] => {
    const then = samples.findLast((sample) => sample.at <= at) ?? samples.find((sample) => sample.at > at);
    return byShare(then?.gauges ?? []).slice(0, 2);
  };
  const told = (one: Refusal): string => `${one.count} × “${one.what}” ${after(one.at)}`;
  if (refusal && (full === undefined || refusal.at < full.at))
    return {
      what: `the load was refused: ${told(refusal)}`,
      isAtLimit: true,
      next: nextOf(nearest(refusal.at)),
    };
  if (full)
    return {
      what: `${describeGauge(full.gauge)}, ${after(full.at)}`,
      isAtLimit: true,
      next: refusal ? `the load was refused: ${told(refusal)}` : nextOf(nearest(full.at).slice(1)),
    };
  const average = byShare(averageOf(samples));
  return {
    what: `nothing; nearest to its limit was ${nextOf(average.slice(0, 1))}`,
    isAtLimit: false,
    next: nextOf(average.slice(1, 3)),
  };
}

/** Pure: cores of the machine that were busy on the average, whoever used them. */
export function machineCores(looks: readonly Counters[]): number {
  const [first, last] = [looks[0], looks.at(-1)];
  if (first === undefined || last === undefined || first === last)
    throw new Error("a load has to be looked at twice at least");
  return ((last.busySeconds - first.busySeconds) / (last.at - first.at)) * 1000;
}

/** What the containers of one workload took together. */
export interface Spent {
  /** On the average. */
  readonly cores: number;
  /** At the end. */
  readonly memoryMiB: number;
  readonly containers: number;
}

/** Pure: by workload, between the first and the last look. */
export function spentOf(looks: readonly Counters[]): Record<string, Spent> {
  const [first, last] = [looks[0], looks.at(-1)];
  if (first === undefined || last === undefined || first === last)
    throw new Error("a load has to be looked at twice at least");
  const seconds = (last.at - first.at) / 1000;
  const earlier = new Map(first.containers.map((one) => [one.name, one.cpuSeconds]));
  const sum = (all: readonly number[]): number => all.reduce((total, one) => total + one, 0);
  return Object.fromEntries(
    [...Map.groupBy(last.containers, ({ workload }) => workload)].map(([workload, all]): [string, Spent] => [
      workload,
      {
        cores: sum(all.map((one) => one.cpuSeconds - (earlier.get(one.name) ?? one.cpuSeconds))) / seconds,
        memoryMiB: sum(all.map(({ memoryMiB }) => memoryMiB)),
        containers: all.length,
      },
    ]),
  );
}
