/** Writes the results of a benchmark: a table for people, and the same figures as JSON. */
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** One measured quantity. */
export interface Row {
  readonly what: string;
  readonly unit: string;
  /** One value for each run. */
  readonly values: readonly number[];
  /** The promised upper limit, if there is one. */
  readonly limit?: number;
  /** The promised lower limit, if there is one. */
  readonly least?: number;
  readonly detail?: string;
}

/** Writes NAME.md and NAME.json. @param machine the machine on which it was measured */
export function writeReport(folder: string, name: string, machine: string, rows: readonly Row[]): void {
  const commit = execFileSync("git", ["rev-parse", "--short", "HEAD"], { encoding: "utf8" }).trim();
  const date = new Date().toISOString().slice(0, 10);
  mkdirSync(folder, { recursive: true });
  writeFileSync(
    join(folder, `${name}.json`),
    `${JSON.stringify({ date, commit, machine, rows }, null, 2)}\n`,
  );
  const number = (value: number): string => value.toFixed(1);
  const table = rows.map(({ what, unit, values, limit, least, detail }) => {
    const sorted = [...values].sort((left, right) => left - right);
    const middle = sorted[Math.floor(sorted.length / 2)] ?? NaN;
    const spread = sorted.length > 1 ? `${number(sorted[0] ?? NaN)} to ${number(sorted.at(-1) ?? NaN)}` : "";
    const isMissed =
      (limit !== undefined && Math.max(...values) > limit) ||
      (least !== undefined && Math.min(...values) < least);
    const bound = [
      limit === undefined ? "" : `≤ ${limit} ${unit}`,
      least === undefined ? "" : `≥ ${least} ${unit}`,
    ];
    const promise = bound.join("") + (isMissed ? ", **missed**" : "");
    return `| ${what} | ${number(middle)} ${unit} | ${spread} | ${values.length} | ${promise} | ${detail ?? ""} |`;
  });
  writeFileSync(
    join(folder, `${name}.md`),
    [
      `Measured ${date} at ${commit} on ${machine}. Shared machines are noisy: read the spread.`,
      "",
      "| what | median | lowest to highest | runs | promised | detail |",
      "| ---- | -----: | ----------------- | ---: | -------: | ------ |",
      ...table,
      "",
    ].join("\n"),
  );
}
