/** Writes docs/data-safety.md, .json and .svg. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { renderSections, type Measured as MeasuredRows } from "../report.ts";
import { renderChart, type Bar } from "../service/chart.ts";

const INTRODUCTION = `# Data safety

What \`npm run bench:data\` found: what is lost when the database is lost, how exact a restore is, and how long backups and
restores take beside PostgreSQL's own tools alone, in the same container and the same run. The room takes and proves backups as
in a stack; [decision 38](decisions/0038-backup-room.md) says what counts as one, [decision 44](decisions/0044-lost-log-and-synchronous.md)
what the synchronous mode costs.

\`npm run bench:data -- --gb 10\` measures speed and the drill with more data; the default is 0.5 GB, which two shared cores carry in
minutes, and 1 GB for the drill, which is what it promises. The parts are \`loss\`, \`speed\`, \`service\` and \`drill\`; naming some measures
only those and keeps the others.

Writes come from 8 clients of pgbench at 500 a second, one row a commit. PostgreSQL is then ended by SIGKILL and its volume deleted;
a row counts as missing when pgbench had its commit acknowledged and the restored server does not have it.
`;

const READING = `## Reading the numbers

- **Events during a backup are missed.** An event is acknowledged once it is on the disk that the backup writes to, and both share
  the cores. Reads, which wait for no disk, keep to the promise. Runs one after the other differ from each other by more than what is promised.
- **The time of an incremental** is mostly what each backup takes whatever its size; with more data it is a smaller part of the full one's.
- **A restore** reads every file of the backup for its checksum before it unpacks any, which plain unpacking does not.
`;

export interface Chart {
  readonly title: string;
  readonly bars: readonly Bar[];
}

/** What one part has measured, with the charts of it. */
export interface Measured extends MeasuredRows {
  readonly charts: readonly Chart[];
}

export const parts = {
  loss: "What is lost, and how exact a restore is",
  speed: "How long it takes, beside the tools alone",
  service: "What people notice of a backup",
  drill: "How soon a lost host is back",
} as const;
export type Part = keyof typeof parts;

/** Merges the parts that were measured now into the earlier ones, and writes all of them. */
export function writeResults(docs: string, now: Partial<Record<Part, Measured>>): void {
  const path = join(docs, "data-safety.json");
  const earlier = existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as typeof now) : {};
  const all = { ...earlier, ...now };
  writeFileSync(path, `${JSON.stringify(all, null, 2)}\n`);
  const names = (Object.keys(parts) as Part[]).filter((part) => all[part] !== undefined);
  const image = "![How long commits, backups and restores took, as bars](data-safety.svg)";
  writeFileSync(
    join(docs, "data-safety.md"),
    [INTRODUCTION, ...renderSections(parts, all), image, "", READING].join("\n"),
  );
  writeFileSync(join(docs, "data-safety.svg"), renderChart(names.flatMap((part) => all[part]?.charts ?? [])));
}
