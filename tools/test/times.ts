/** The last time of every suite on this machine, for `npm test -- --list`; in .state, because it is this machine's own. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { GROUPS, type Suite } from "./suites.ts";

export interface Time {
  readonly seconds: number;
  readonly passed: number;
  readonly failed: number;
  /** ISO. */
  readonly date: string;
}

export type Times = Readonly<Record<string, Time>>;

const FILE = join(import.meta.dirname, "../../.state/test-times.json");

export function readTimes(file = FILE): Times {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Times;
  } catch {
    return {};
  }
}

/** Keeps the times of suites that were not run now. */
export function keepTimes(times: Times, file = FILE): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  writeFileSync(file, `${JSON.stringify({ ...readTimes(file), ...times }, undefined, 2)}\n`);
}

/** Pure: a line for each suite, under its group. */
export function listing(suites: readonly Suite[], times: Times): string[] {
  return GROUPS.flatMap((group) => [
    group,
    ...suites.filter((suite) => suite.group === group).map(({ name }) => line(name, times[name])),
  ]);
}

function line(name: string, time: Time | undefined): string {
  const start = `  ${name.padEnd(16)}`;
  if (time === undefined) return `${start} not run here yet`;
  const { seconds, passed, failed, date } = time;
  const counts = `${passed} passed${failed > 0 ? `, ${failed} failed` : ""}`;
  return `${start} ${seconds.toFixed(1).padStart(7)} s  ${counts}  (${date.slice(0, 16).replace("T", " ")} UTC)`;
}
