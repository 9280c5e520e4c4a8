/** Writes docs/resilience.md, .json and .svg: one table and one chart of all scenarios, whenever each was measured. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { renderChart } from "./chart.ts";
import type { Result } from "./scenario.ts";
import { EVENT, GET, ROW } from "./traffic.ts";

/**
 * Results in the order of `names`. A scenario that did not run now, or could not be measured now, keeps its result from
 * an earlier run.
 */
export function merge(
  earlier: readonly Result[],
  now: readonly Result[],
  names: readonly string[],
): Result[] {
  const before = new Map(earlier.map((result) => [result.name, result]));
  const measured = now.filter(({ name, notRun }) => notRun === undefined || !before.has(name));
  const latest = new Map([...before, ...measured.map((result) => [result.name, result] as const)]);
  return names.flatMap((name) => latest.get(name) ?? []);
}

const cell = (text: string): string => text.replaceAll("|", "\\|").replace(/\s*\n\s*/g, " ");

function tableRow(result: Result): string {
  const { what, figures, recovery, verdicts, notes, notRun, error } = result;
  const broken = verdicts.filter(({ holds }) => !holds).map(({ what: text }) => `**${text}**`);
  const said = [...broken, ...notes].join("; ");
  if (notRun !== undefined) return `| ${what} | not run |  |  |  |  |  |  | ${cell(notRun)} |`;
  if (error !== undefined || figures === undefined)
    return `| ${what} | **failed** |  |  |  |  |  |  | ${cell((error ?? "").slice(0, 300))} |`;
  const of = (kind: number): string => `${figures.failed[kind] ?? 0} of ${figures.sent[kind] ?? 0}`;
  const posts = (list: readonly number[]): number => (list[ROW] ?? 0) + (list[EVENT] ?? 0);
  return `| ${[
    what,
    broken.length === 0 ? "holds" : "**does not hold**",
    of(GET),
    `${posts(figures.failed)} of ${posts(figures.sent)}`,
    `${figures.rowsMissing} / ${figures.rowsDoubled}`,
    `${figures.eventsLost} / ${figures.eventsDoubled} / ${figures.eventsDisordered}`,
    `${figures.longestSilence.toFixed(1)} s`,
    `${figures.p99Ms} (${figures.quietP99Ms}) ms`,
    cell([recovery === undefined ? "" : `${recovery.toFixed(1)} s`, said].filter(Boolean).join("; ")),
  ].join(" | ")} |`;
}

export function renderTable(results: readonly Result[]): string {
  const head = [
    "what happens",
    "promise",
    "failed GET",
    "failed POST",
    "rows missing / doubled",
    "events lost / doubled / disordered",
    "longest silence of a stream",
    "p99 (quiet p99)",
    "seconds, and what did not hold",
  ];
  return [
    `| ${head.join(" | ")} |`,
    `| ${head.map(() => "---").join(" | ")} |`,
    ...results.map(tableRow),
  ].join("\n");
}

function renderRuns(results: readonly Result[]): string {
  return results
    .map(({ name, date, commit, machine, load, busy, verdicts, figures }) => {
      const size = `${load.rate} requests and ${load.events} events a second, ${load.streams} streams; load average before it ${busy.toFixed(1)}`;
      const generator = figures ? `, the load itself used ${figures.generatorCpus.toFixed(2)} cores` : "";
      const list = verdicts.map(({ what, holds }) => `  - ${holds ? "" : "**does not hold** "}${what}`);
      return [`- \`${name}\`: ${date} at ${commit} on ${machine}; ${size}${generator}`, ...list].join("\n");
    })
    .join("\n");
}

const INTRODUCTION = `# Resilience

What \`npm run bench:resilience\` found: it puts load on a stack of its own, through nginx over TLS, does each of these
things, and accounts for every request, row and event. Half of the requests are GET, half are POST that each write a
numbered row, half over HTTP/1.1 and half over HTTP/2; beside them numbered events are published, and every stream has to
see each of them once and in order, while every client leaves and resumes about once a minute. A request that the client
had to send twice because its connection was closed counts as failed. \`p99\` is that of the time from the beginning of the
thing to its end, beside that of the seconds before.

\`npm run bench:resilience -- deploy scale\` measures only those scenarios and keeps the others as they are. The machine runs
the stack, the deploy and the load, so times are those of a machine that is busy with all three. The load goes to the
edge's own address; where that changes (nginx replaced, everything stopped) and for the peers, to the port on the
loopback. A scenario in which requests failed before anything was done proves nothing, and is not counted.
`;

/** Merges the results of this run into the existing ones, and writes all of them. */
export function writeResults(docs: string, now: readonly Result[], names: readonly string[]): Result[] {
  const path = join(docs, "resilience.json");
  const earlier = existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as Result[]) : [];
  const results = merge(earlier, now, names);
  mkdirSync(docs, { recursive: true });
  // One line for each scenario, so that a run changes only the lines of its own scenarios.
  writeFileSync(path, `[\n${results.map((result) => JSON.stringify(result)).join(",\n")}\n]\n`);
  writeFileSync(join(docs, "resilience.svg"), renderChart(results));
  const parts = [
    INTRODUCTION,
    renderTable(results),
    "\n![Requests, failures, open streams and healthy replicas over time, a strip for each scenario](resilience.svg)\n",
    "The shaded part of a strip is the time from the beginning of the thing to its end. Requests and streams are drawn",
    "against the load, replicas against four.\n",
    "## The runs\n",
    renderRuns(results),
    "",
  ];
  writeFileSync(join(docs, "resilience.md"), parts.join("\n"));
  return results;
}
