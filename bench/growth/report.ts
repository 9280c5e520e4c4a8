/** Writes docs/bench/growth.md and .json, a chart for each part, and docs/sizing.md, which says what follows from them. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { renderSections, type Measured as MeasuredRows, type Row } from "../report.ts";
import { renderChart } from "../service/chart.ts";
import type { Chart } from "../data/report.ts";
import { databaseCharts, databaseRows, type DatabaseStep } from "./database.ts";
import { replicasCharts, replicasRows, type ReplicasStep } from "./replicas.ts";
import { renderSizing } from "./sizing.ts";
import { streamsCharts, streamsRows, type StreamsResult } from "./streams.ts";

const INTRODUCTION = `# Growth

What \`npm run bench:growth\` found: what more replicas, more streams and a larger database bring and cost on one machine, and
what comes to its limit first. Each part has stacks of its own, with backups and monitoring, as in production.
[Sizing](../sizing.md) says what follows.

What comes first to its limit is measured: each second the bench looks at the CPU and memory of every container beside its
limits, at the machine's cores, memory and disks, and, for streams, at the connections and open files of the edge and the
places in the replicas. CPU counts as at its limit from 90 % on, because a CPU limit is enforced by the tenth of a second,
everything else from 97 % on. Where a load grows, what was full first and stayed so counts, or what the load was refused before; where it
stays as it is, what was fullest on the average. The load runs on the same cores, and its part is named.

The parts are \`replicas\`, \`streams\` and \`database\`; naming some measures only those and keeps the others.
\`--replicas 1,2\`, \`--streams 1000\`, \`--gb 0.1\` and \`--seconds 5\` make a short run.
`;

export const parts = {
  replicas: "More replicas",
  streams: "More streams",
  database: "A larger database",
} as const;
export type Part = keyof typeof parts;

/** What each part measures. */
export interface Figures {
  readonly replicas: readonly ReplicasStep[];
  readonly streams: StreamsResult;
  readonly database: readonly DatabaseStep[];
}

/** What was measured, and where. */
export interface Measured<F> extends Pick<MeasuredRows, "date" | "commit" | "machine"> {
  readonly figures: F;
}

export type Results = { readonly [P in Part]?: Measured<Figures[P]> };

const views: { readonly [P in Part]: { rows(of: Figures[P]): Row[]; charts(of: Figures[P]): Chart[] } } = {
  replicas: { rows: replicasRows, charts: replicasCharts },
  streams: { rows: streamsRows, charts: streamsCharts },
  database: { rows: databaseRows, charts: databaseCharts },
};

/** Pure: undefined for a part that was not measured yet. */
function viewOf<P extends Part>(
  results: Results,
  part: P,
): { readonly measured: MeasuredRows; readonly charts: Chart[] } | undefined {
  const one = results[part];
  if (one === undefined) return undefined;
  const { figures, ...where } = one;
  return { measured: { ...where, rows: views[part].rows(figures) }, charts: views[part].charts(figures) };
}

/** JSON has no NaN, which stands for what could not be measured. */
export const readResults = (path: string): Results =>
  existsSync(path)
    ? (JSON.parse(readFileSync(path, "utf8"), (_, value: unknown) =>
        value === null ? NaN : value,
      ) as Results)
    : {};

/** Pure: growth.md. */
export function renderGrowth(results: Results): string {
  const names = Object.keys(parts) as Part[];
  const sections = names.flatMap((part) => {
    const view = viewOf(results, part);
    if (view === undefined) return [];
    return [
      ...renderSections({ [part]: parts[part] }, { [part]: view.measured }),
      `![${parts[part]}, as bars](growth-${part}.svg)`,
      "",
    ];
  });
  return [INTRODUCTION, ...sections].join("\n");
}

/** Merges the parts that were measured now into the earlier ones, and writes all of them. @param docs the folder docs/ */
export function writeResults(docs: string, now: Results): void {
  const bench = join(docs, "bench");
  mkdirSync(bench, { recursive: true });
  const path = join(bench, "growth.json");
  const all: Results = { ...readResults(path), ...now };
  writeFileSync(path, `${JSON.stringify(all, null, 2)}\n`);
  writeFileSync(join(bench, "growth.md"), renderGrowth(all));
  for (const part of Object.keys(parts) as Part[]) {
    const view = viewOf(all, part);
    if (view) writeFileSync(join(bench, `growth-${part}.svg`), renderChart(view.charts));
  }
  writeFileSync(join(docs, "sizing.md"), renderSizing(all));
}
