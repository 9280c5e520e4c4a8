/**
 * `npm run bench:growth [-- PART… --replicas N,… --streams N,… --gb N,… --seconds N]`: what more replicas, more streams and a
 * larger database bring and cost on one machine, and what comes to its limit first. Writes docs/bench/growth.md, .json and a
 * chart for each part, and docs/sizing.md. Parts: replicas, streams, database; default: all. Needs Go, and root for streams
 * (clients come from many addresses). Parts that did not run keep their figures.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { cpus, loadavg, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { exitIfKept } from "../tools/host/npm-flags.ts";
import { prepare } from "../tools/test/prepare.ts";
import { databaseRows, measureDatabase } from "./growth/database.ts";
import { measureReplicas, replicasRows } from "./growth/replicas.ts";
import { parts, writeResults, type Figures, type Part } from "./growth/report.ts";
import { removeStanding } from "./growth/stack.ts";
import { buildStreams, measureStreams, stepRows } from "./growth/streams.ts";
import type { Row } from "./report.ts";
import { buildLoad } from "./requests/send.ts";

const options = {
  replicas: { type: "string", default: "1,2,4,8" },
  streams: { type: "string", default: "1000,5000,20000" },
  gb: { type: "string", default: "0.1,1,10" },
  seconds: { type: "string", default: "10" },
} as const;
const { values, positionals } = parseArgs({ allowPositionals: true, options });
exitIfKept("bench:growth", [
  ...["replicas", "streams", "gb"].map((name) => ({ name, value: "numbers" })),
  { name: "seconds", value: "number" },
]);
const PARTS = Object.keys(parts) as Part[];
const UNKNOWN = positionals.filter((name) => !PARTS.some((part) => part === name));
/** Numbers greater than 0, with commas, from the least on; undefined for anything else. */
function numbers(text: string): number[] | undefined {
  const all = text.split(",").map(Number);
  return all.every((value) => value > 0) ? all.sort((left, right) => left - right) : undefined;
}
const given = {
  replicas: numbers(values.replicas),
  streams: numbers(values.streams),
  gigabytes: numbers(values.gb),
  seconds: numbers(values.seconds)?.[0],
};
const WRONG = Object.keys(options).filter((_, index) => Object.values(given)[index] === undefined);
if (UNKNOWN.length > 0 || WRONG.length > 0) {
  console.error(
    UNKNOWN.length > 0
      ? `There is no part ${UNKNOWN.join(", ")}; there are: ${PARTS.join(", ")}.`
      : `--${WRONG.join(", --")} takes numbers greater than 0, such as 1 or 1,2,4.`,
  );
  process.exit(2);
}
const { replicas = [], streams = [], gigabytes = [], seconds = 10 } = given;

const DOCS = join(import.meta.dirname, "../docs");
const FOLDER = mkdtempSync(join(tmpdir(), "omniai-growth-"));
const show = (rows: readonly Row[]): void => {
  for (const { what, unit, values: all, detail } of rows)
    console.log(`${what}: ${all.map((value) => value.toFixed(2)).join(", ")} ${unit} (${detail ?? ""})`);
};

/** Each part is written when it is done, so that it survives a later one that breaks. */
const measures: { readonly [P in Part]: () => Promise<Figures[P]> } = {
  replicas: () =>
    measureReplicas(buildLoad(FOLDER), { replicas, seconds }, (step) => show(replicasRows([step]))),
  streams: () => measureStreams(buildStreams(FOLDER), { streams, seconds }, (step) => show(stepRows(step))),
  database: () =>
    measureDatabase(buildLoad(FOLDER), { gigabytes, seconds }, (step) => show(databaseRows([step]))),
};

const clear = async (): Promise<void> => {
  await removeStanding();
  rmSync(FOLDER, { recursive: true, force: true });
};
const leave = (): void => void clear().finally(() => process.exit(130));
process.once("SIGINT", leave).once("SIGTERM", leave);

Object.assign(process.env, await prepare(new Set(["stack"]), true));
try {
  for (const part of PARTS) {
    if (positionals.length > 0 && !positionals.includes(part)) continue;
    const [load = 0] = loadavg();
    const figures = await measures[part]();
    const measured = {
      date: new Date().toISOString().slice(0, 10),
      commit: execFileSync("git", ["rev-parse", "--short", "HEAD"], { encoding: "utf8" }).trim(),
      machine: `${cpus().length} cores (stack and load share them), ${Math.round(totalmem() / 2 ** 30)} GiB; load average ${load.toFixed(1)} before`,
      figures,
    };
    writeResults(DOCS, { [part]: measured });
  }
} finally {
  await clear();
}
