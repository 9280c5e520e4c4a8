/** Pure: docs/sizing.md, what one host carries and when to go to several, from nothing but what bench:growth measured. */
import { MOST_CLIENT_CONNECTIONS } from "../../infra/components/edge/memory.ts";
import { median, type Measured as MeasuredRows } from "../report.ts";
import { KINDS } from "../requests/send.ts";
import { BUSY, costsOf, describeCost, costOfDelivery, mostOf, workOfStreams, type Most } from "./costs.ts";
import type { DatabaseStep } from "./database.ts";
import { at, fitLine, isExtrapolated, type Line } from "./fit.ts";
import type { ReplicasStep } from "./replicas.ts";
import { EVENTS, kibPerStream, type StreamsResult, type StreamsStep } from "./streams.ts";

type Where = Pick<MeasuredRows, "date" | "commit" | "machine">;

/** What was measured of each part, where it was. */
export interface Sized {
  readonly replicas?: Where & { readonly figures: readonly ReplicasStep[] };
  readonly streams?: Where & { readonly figures: StreamsResult };
  readonly database?: Where & { readonly figures: readonly DatabaseStep[] };
}

/** Streams count as carried while the last of all clients has an event within so many ms (p99), and none is lost. */
const SOON = 1000;
/** Hosts and databases that are worked out beside the measured ones. */
const HOSTS = [2, 4, 8, 16];
const DATABASES = [1, 10, 50, 100];

const whole = (value: number): string => value.toLocaleString("en", { maximumFractionDigits: 0 });
/** Pure. @param align of each column, as Markdown writes it */
const table = (
  head: readonly string[],
  rows: readonly (readonly string[])[],
  align: readonly string[] = ["---", ...head.slice(1).map(() => "---:")],
): string[] => [head, align, ...rows].map((row) => `| ${row.join(" | ")} |`);

/** Pure: all were open to the end, all events came, and soon. */
export const isCarried = (step: StreamsStep): boolean =>
  step.open >= step.wanted &&
  step.openAtEnd >= step.wanted &&
  step.lost + step.notAcknowledged === 0 &&
  step.last.p99 <= SOON;

const mostOpen = (steps: readonly StreamsStep[]): StreamsStep | undefined =>
  steps.toSorted((left, right) => right.open - left.open)[0];

const HEAD = ["what", "carried", "what was at its limit first"];

function carried({ replicas, streams, database }: Sized): string[] {
  const rows: string[][] = [];
  for (const { name } of KINDS) {
    const best = (replicas?.figures ?? []).toSorted(
      (left, right) =>
        median(right.limits[name]?.perSecond ?? []) - median(left.limits[name]?.perSecond ?? []),
    )[0];
    const limit = best?.limits[name];
    if (best && limit)
      rows.push([
        `${name} a second, with ${best.replicas} of ${(replicas?.figures ?? []).map((one) => one.replicas).join(", ")} replicas`,
        whole(median(limit.perSecond)),
        `${limit.saturated.what}; the load itself took ${limit.loadCores.toFixed(2)} cores`,
      ]);
  }
  if (streams) {
    const { asShipped, steps } = streams.figures;
    const most = mostOpen(steps.filter(isCarried));
    if (most)
      rows.push([
        `streams at ${EVENTS} events a second, the last client within ${SOON} ms, with ${most.replicas} replicas and ${most.edgeMemory} MiB for the edge`,
        whole(most.open),
        most.first.what,
      ]);
    for (const step of steps.filter((one) => !isCarried(one)))
      rows.push([
        `${whole(step.wanted)} streams, with ${step.replicas} replicas and ${step.edgeMemory} MiB for the edge`,
        `not: ${whole(step.open)} opened, the last client after ${whole(step.last.p99)} ms, ${whole(step.lost)} deliveries lost`,
        step.first.what,
      ]);
    rows.push([
      `streams with the defaults: ${asShipped.replicas} replicas of ${asShipped.backendMemory} MiB, ${asShipped.edgeMemory} MiB for the edge`,
      `${whole(asShipped.open)} of ${whole(asShipped.wanted)}`,
      asShipped.first.what,
    ]);
  }
  for (const step of database?.figures ?? [])
    rows.push([
      `a database of ${whole(step.dataMiB)} MiB: a base backup and a dump, both proved`,
      `${whole(secondsOf(step))} s`,
      step.base.saturated.what,
    ]);
  return table(HEAD, rows, ["---", "---:", "---"]);
}

const secondsOf = ({ base, dump }: DatabaseStep): number =>
  base.takeSeconds + base.proveSeconds + dump.takeSeconds + dump.proveSeconds;

function requestsAndReplicas({ replicas }: Sized): string[] {
  const costs = costsOf(replicas?.figures ?? []);
  if (costs === undefined) return [];
  const steps = replicas?.figures ?? [];
  const [least, most] = [
    steps.toSorted((left, right) => left.replicas - right.replicas)[0],
    steps.toSorted((left, right) => right.replicas - left.replicas)[0],
  ];
  return [
    ...Object.entries(costs.requests).map(
      ([kind, { each }]) =>
        `- One of the ${kind}, with ${costs.replicas} replicas: ${describeCost(each, "ms")}.`,
    ),
    `- A replica that has nothing to do takes ${whole(costs.replicaMiB)} MiB. The whole machine has ${costs.idleCores.toFixed(2)} cores busy then.`,
    ...(least === undefined || most === undefined || least === most
      ? []
      : KINDS.map(({ name }) => {
          const of = (step: ReplicasStep): number => median(step.limits[name]?.perSecond ?? []);
          return `- From ${least.replicas} to ${most.replicas} replicas on the same cores, ${name} a second go from ${whole(of(least))} to ${whole(of(most))} (× ${(of(most) / of(least)).toFixed(2)}).`;
        })),
  ];
}

function streamsCosts({ streams }: Sized): string[] {
  if (streams === undefined) return [];
  const step = mostOpen(streams.figures.steps) ?? streams.figures.asShipped;
  return [
    `- A stream takes ${kibPerStream(step, "edge").toFixed(1)} KiB in the edge and ${kibPerStream(step, "backend").toFixed(1)} KiB in its replica (${whole(step.open)} streams, TLS).`,
    `- An event that is brought to a stream: ${describeCost(costOfDelivery(step), "µs")} (${whole(step.delivered)} deliveries a second).`,
    `- The edge has at most ${whole(MOST_CLIENT_CONNECTIONS)} connections for clients, however many cores there are, and as many as fit into its memory.`,
  ];
}

/** Seconds, or MiB, by GB of data. */
function databaseLines({ database }: Sized): Readonly<Record<string, Line>> | undefined {
  const steps = database?.figures ?? [];
  if (steps.length === 0) return undefined;
  const line = (value: (step: DatabaseStep) => number): Line =>
    fitLine(steps.map((step) => ({ x: step.dataMiB / 1024, y: value(step) })));
  return {
    "a full base backup, s": line(({ base }) => base.takeSeconds),
    "its proof, s": line(({ base }) => base.proveSeconds),
    "a dump, s": line(({ dump }) => dump.takeSeconds),
    "the dump's proof, s": line(({ dump }) => dump.proveSeconds),
    "the most disk that both need, MiB": line(({ peakMiB }) => peakMiB),
  };
}

function databaseCosts(sized: Sized): string[] {
  const lines = Object.entries(databaseLines(sized) ?? {});
  return lines.map(
    ([what, { base, slope }]) => `- ${what}: ${base.toFixed(1)} + ${slope.toFixed(1)} for each GiB of data.`,
  );
}

function extrapolatedHosts(sized: Sized): string[] {
  const costs = costsOf(sized.replicas?.figures ?? []);
  if (costs === undefined) return [];
  const step = mostOpen(sized.streams?.figures.steps ?? []);
  const kinds = Object.entries(costs.requests);
  const cell = ({ count, by }: Most): string => `${whole(count)} (${by})`;
  const streamsOn = (cores: number): string[] => {
    if (step === undefined) return ["not measured yet", "not measured yet"];
    const most = mostOf(workOfStreams(step), cores, costs.idleCores);
    const memory = ["edge", "backend"].map(
      (workload) =>
        (step.before[workload]?.memoryMiB ?? NaN) + (kibPerStream(step, workload) * most.count) / 1024,
    );
    return [cell(most), memory.map(whole).join(" + ")];
  };
  const idle = costs.idleCores.toFixed(2);
  return [
    "*Extrapolated*: nothing of this table was measured. It follows from the costs above, for a host that does one of these things",
    `and nothing else, whose clients are elsewhere, and which is busy to ${BUSY * 100} %. What ends each stands in brackets:`,
    "",
    `- its cores: \`(${BUSY} × cores − ${idle}) ÷ core seconds of one\``,
    `- what one container can use at most, whatever the cores: \`${BUSY} × its cores ÷ core seconds of one in it\``,
    "- for streams, the edge's connections. A stream costs its deliveries, so many a second as there are events.",
    "",
    "It takes cores for as fast as the measured ones, and CPU limits of the containers (`edgeCpus`, `backendCpus`, …), memory limits and",
    "replicas for as much as that needs.",
    "",
    ...table(
      [
        "cores of the host",
        ...kinds.map(([kind]) => `${kind} a second`),
        `streams at ${EVENTS} events a second`,
        "memory for these in the edge + all replicas, MiB",
      ],
      HOSTS.map((cores) => [
        String(cores),
        ...kinds.map(([, work]) => cell(mostOf(work, cores, costs.idleCores))),
        ...streamsOn(cores),
      ]),
    ),
    "",
  ];
}

function extrapolatedDatabases(sized: Sized): string[] {
  const lines = databaseLines(sized);
  if (lines === undefined) return [];
  const all = Object.values(lines);
  const cell = (line: Line, gigabytes: number): string =>
    `${whole(Math.max(0, at(line, gigabytes)))}${isExtrapolated(line, gigabytes) ? " *extrapolated*" : ""}`;
  return [
    "Backups, by the lines above through the measured sizes; what lies outside of them is marked:",
    "",
    ...table(
      ["GiB of data", ...Object.keys(lines)],
      DATABASES.map((gigabytes) => [String(gigabytes), ...all.map((line) => cell(line, gigabytes))]),
    ),
    "",
  ];
}

function severalHosts(sized: Sized): string[] {
  const { replicas, streams } = sized;
  const carriedStreams = mostOpen((streams?.figures.steps ?? []).filter(isCarried));
  const lines = databaseLines(sized);
  const proof = lines?.["its proof, s"];
  return [
    "- **When nothing may be away while a machine is**: one host is one failure, however large it is. What is on it is away until it is",
    "  back, or until it is rebuilt from its copies, which takes at least as long as a base backup is unpacked and checked" +
      (proof === undefined
        ? "."
        : ` (${proof.base.toFixed(0)} + ${proof.slope.toFixed(0)} s for each GiB of data; measured up to ${proof.to.toFixed(1)} GiB).`),
    ...KINDS.flatMap(({ name }) => {
      const best = Math.max(
        ...(replicas?.figures ?? []).map(({ limits }) => median(limits[name]?.perSecond ?? [])),
      );
      return Number.isFinite(best)
        ? [
            `- **Above ${whole(BUSY * best)} ${name} a second** for longer than a moment, on a host like the measured one: ${BUSY * 100} % of what it carried.`,
          ]
        : [];
    }),
    ...(carriedStreams === undefined
      ? []
      : [
          `- **Above ${whole(carriedStreams.open)} streams** at ${EVENTS} events a second on a host like the measured one, the most that were carried;`,
          `  and above ${whole(MOST_CLIENT_CONNECTIONS)} on any host, where the edge's connections end.`,
        ]),
    "- **More cores come before more hosts** where CPU is what is at its limit first: one host needs no shared database and no network",
    "  between replicas. More replicas on the same cores are for deploys and failures, and bring no more than the table says.",
    "- How: [several machines](swarm.md), with a PostgreSQL and a Redis that all of them reach ([external databases](external-databases.md)).",
  ];
}

/** Pure: the page; a part that was not measured yet is named instead of guessed. */
export function renderSizing(sized: Sized): string {
  const missing = (["replicas", "streams", "database"] as const).filter((part) => sized[part] === undefined);
  const where = Object.entries(sized as Readonly<Record<string, Where>>).map(
    ([part, { date, commit, machine }]) => `- \`${part}\`: ${date} at ${commit} on ${machine}.`,
  );
  const costs = [...requestsAndReplicas(sized), ...streamsCosts(sized), ...databaseCosts(sized)];
  return [
    "# Sizing",
    "",
    "What one host carries, what each thing on it costs, and when to go to several. `npm run bench:growth` writes this page from what it",
    "measured ([growth](bench/growth.md) has all of it, and how it was measured); what was not measured says *extrapolated*. The load ran on the same",
    "cores as the stack, which has its backups and its monitoring: a host whose clients are elsewhere carries more.",
    "",
    ...where,
    ...missing.map((part) => `- \`${part}\` was not measured yet: \`npm run bench:growth -- ${part}\`.`),
    "",
    "## What one host carries",
    "",
    ...carried(sized),
    "",
    "## What it costs",
    "",
    ...costs,
    "",
    "## What another host would carry",
    "",
    ...extrapolatedHosts(sized),
    ...extrapolatedDatabases(sized),
    "## When to go to several",
    "",
    ...severalHosts(sized),
    "",
  ].join("\n");
}
