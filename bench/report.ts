/** Writes the results of a benchmark: a table for people, and the same figures as JSON. */
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** One measured quantity. */
export interface Row {
  readonly what: string;
  readonly unit: string;
  /** One value for each run; NaN where a run went wrong, which then keeps no promise. */
  readonly values: readonly number[];
  /** The promised upper limit, if there is one. */
  readonly limit?: number;
  /** The promised lower limit, if there is one. */
  readonly least?: number;
  readonly detail?: string;
}

const number = (value: number): string => (Number.isNaN(value) ? "–" : value.toFixed(1));

/** Pure: of an even number the upper of the two in the middle; NaN of none. */
export const median = (values: readonly number[]): number =>
  [...values].sort((left, right) => left - right)[Math.floor(values.length / 2)] ?? NaN;

/** Pure: whether every run kept what is promised. A run that went wrong kept nothing. */
export const isKept = ({ values, limit, least }: Row): boolean =>
  (limit === undefined || Math.max(...values) <= limit) &&
  (least === undefined || Math.min(...values) >= least);

/** Pure: the table as Markdown, a line for each row. */
export function renderTable(rows: readonly Row[]): string[] {
  return [
    "| what | median | lowest to highest | runs | promised | detail |",
    "| ---- | -----: | ----------------- | ---: | -------: | ------ |",
    ...rows.map((row) => {
      const { what, unit, values, limit, least, detail } = row;
      const sorted = [...values].sort((left, right) => left - right);
      const spread =
        sorted.length > 1 ? `${number(sorted[0] ?? NaN)} to ${number(sorted.at(-1) ?? NaN)}` : "";
      const bound = [
        limit === undefined ? "" : `≤ ${limit} ${unit}`,
        least === undefined ? "" : `≥ ${least} ${unit}`,
      ];
      const promise = bound.join("") + (isKept(row) ? "" : ", **missed**");
      return `| ${what} | ${number(median(values))} ${unit} | ${spread} | ${values.length} | ${promise} | ${detail ?? ""} |`;
    }),
  ];
}

/** What one part of a benchmark has measured, and where. */
export interface Measured {
  readonly date: string;
  readonly commit: string;
  readonly machine: string;
  readonly rows: readonly Row[];
}

/** Pure: a section for each part that has been measured, in the order of their titles. */
export const renderSections = (
  titles: Readonly<Record<string, string>>,
  all: Readonly<Record<string, Measured | undefined>>,
): string[] =>
  Object.entries(titles).flatMap(([part, title]) => {
    const measured = all[part];
    if (measured === undefined) return [];
    const { date, commit, machine, rows } = measured;
    return [
      `## ${title}`,
      "",
      `\`${part}\`, measured ${date} at ${commit} on ${machine}. Shared machines are noisy.`,
      "",
      ...renderTable(rows),
      "",
    ];
  });

/** Writes NAME.md and NAME.json. @param machine the machine on which it was measured */
export function writeReport(folder: string, name: string, machine: string, rows: readonly Row[]): void {
  const commit = execFileSync("git", ["rev-parse", "--short", "HEAD"], { encoding: "utf8" }).trim();
  const date = new Date().toISOString().slice(0, 10);
  mkdirSync(folder, { recursive: true });
  writeFileSync(
    join(folder, `${name}.json`),
    `${JSON.stringify({ date, commit, machine, rows }, null, 2)}\n`,
  );
  writeFileSync(
    join(folder, `${name}.md`),
    [
      `Measured ${date} at ${commit} on ${machine}. Shared machines are noisy: read the spread.`,
      "",
      ...renderTable(rows),
      "",
    ].join("\n"),
  );
}
