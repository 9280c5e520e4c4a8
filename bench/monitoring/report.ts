/** Writes docs/bench/monitoring.md and .json. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { renderSections, type Measured } from "../report.ts";

const INTRODUCTION = `# Monitoring

What \`npm run bench:monitoring\` found on a stack of its own: what the monitoring takes, idle and under load; what it costs the service;
what becomes of the lines when one container floods the log; and which alerts each scenario of \`npm run bench:resilience\` raises
(\`bench/monitoring/expected.ts\` says which it should). The parts are \`load\`, \`flood\` and \`faults\`; naming some measures only
those and keeps the others.
`;

export const parts = {
  load: "What it takes, and what it costs the service",
  flood: "A flood of lines",
  faults: "Alerts, by scenario: its own within two minutes, and no false one",
} as const;
export type Part = keyof typeof parts;

type Results = Partial<Record<Part, Measured>>;

/** Merges the parts that were measured now into the earlier ones, and within a part the rows, and writes all of them. */
export function writeResults(folder: string, now: Results): void {
  const path = join(folder, "monitoring.json");
  const earlier = existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as Results) : {};
  const all: Results = { ...earlier };
  for (const part of Object.keys(now) as Part[]) {
    const measured = now[part];
    if (measured === undefined) continue;
    const names = new Set(measured.rows.map(({ what }) => what));
    // A scenario that did not run keeps its row.
    const kept = part === "faults" ? (earlier[part]?.rows ?? []).filter(({ what }) => !names.has(what)) : [];
    all[part] = { ...measured, rows: [...kept, ...measured.rows] };
  }
  writeFileSync(path, `${JSON.stringify(all, null, 2)}\n`);
  writeFileSync(join(folder, "monitoring.md"), [INTRODUCTION, ...renderSections(parts, all)].join("\n"));
}
