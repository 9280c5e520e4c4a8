/**
 * `npm run bench:monitoring [-- PART… --scenario NAME… --rate N --lines N --seconds N]`: what the monitoring takes and costs, what
 * becomes of a flood of lines, and which alerts each scenario of bench:resilience raises. Writes docs/bench/monitoring.md
 * and .json. Parts: load, flood, faults; default: all. Needs Go; faults takes an hour, and root.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { cpus, loadavg, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { exitIfKept } from "../tools/host/npm-flags.ts";
import { prepare } from "../tools/test/prepare.ts";
import { measureFaults } from "./monitoring/faults.ts";
import { measureFlood } from "./monitoring/flood.ts";
import { measureLoad } from "./monitoring/load.ts";
import { parts, writeResults, type Part } from "./monitoring/report.ts";
import { createWatchedStack, type WatchedStack } from "./monitoring/stack.ts";
import { isKept, type Row } from "./report.ts";
import { SCENARIOS } from "./resilience/scenarios/index.ts";
import { buildTraffic } from "./resilience/traffic.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    scenario: { type: "string", multiple: true, default: [] },
    rate: { type: "string", default: "200" },
    lines: { type: "string", default: "20000" },
    seconds: { type: "string", default: "60" },
  },
});
exitIfKept("bench:monitoring", [
  { name: "scenario", value: "name" },
  ...["rate", "lines", "seconds"].map((name) => ({ name, value: "number" })),
]);
const PARTS = Object.keys(parts) as Part[];
const NAMES = SCENARIOS.map(({ name }) => name);
const UNKNOWN = [
  ...positionals.filter((name) => !PARTS.some((part) => part === name)),
  ...values.scenario.filter((name) => !NAMES.includes(name)),
];
if (UNKNOWN.length > 0) {
  console.error(
    `There is no ${UNKNOWN.join(", ")}. Parts: ${PARTS.join(", ")}. Scenarios: ${NAMES.join(", ")}.`,
  );
  process.exit(2);
}
const CHOSEN = PARTS.filter((part) => positionals.length === 0 || positionals.includes(part));

const DOCS = join(import.meta.dirname, "../docs/bench");
const FOLDER = mkdtempSync(join(tmpdir(), "omniai-monitoring-"));
const LOAD_BEFORE = loadavg()[0] ?? 0;
let areAllKept = true;
const show = (row: Row): void => {
  areAllKept &&= isKept(row);
  const figures = row.values.map((value) => value.toFixed(2)).join(", ");
  console.log(`${isKept(row) ? " " : "✗"} ${row.what}: ${figures} ${row.unit} (${row.detail ?? ""})`);
};

/** Written after each part, so that it survives a later one that breaks. */
function write(part: Part, rows: readonly Row[]): void {
  writeResults(DOCS, { [part]: { ...where, rows } });
}

const TO_REMOVE: (() => Promise<void>)[] = [];
const clear = async (): Promise<void> => {
  for (const remove of TO_REMOVE.splice(0)) await remove();
  rmSync(FOLDER, { recursive: true, force: true });
};
const leave = (): void => void clear().finally(() => process.exit(130));
process.once("SIGINT", leave).once("SIGTERM", leave);

Object.assign(process.env, await prepare(new Set(["stack"]), true));
const ENGINE = execFileSync("docker", ["version", "-f", "{{.Server.Version}}"], { encoding: "utf8" }).trim();
const where = {
  date: new Date().toISOString().slice(0, 10),
  commit: execFileSync("git", ["rev-parse", "--short", "HEAD"], { encoding: "utf8" }).trim(),
  machine: `${cpus().length} cores (stack and load share them), ${Math.round(totalmem() / 2 ** 30)} GiB, engine ${ENGINE}; load average ${LOAD_BEFORE.toFixed(1)} before`,
};
try {
  const measures: Readonly<Record<"load" | "flood", (of: WatchedStack) => Promise<Row[]>>> = {
    load: (of) => measureLoad(of, FOLDER, Number(values.rate)),
    flood: (of) => measureFlood(of, { rate: Number(values.lines), seconds: Number(values.seconds) }),
  };
  if (CHOSEN.some((part) => part !== "faults")) {
    const watched = await createWatchedStack(`monitor-${process.pid}`);
    TO_REMOVE.push(() => watched.remove());
    for (const part of ["load", "flood"] as const) {
      if (!CHOSEN.includes(part)) continue;
      const rows = await measures[part](watched);
      for (const row of rows) show(row);
      write(part, rows);
    }
    for (const remove of TO_REMOVE.splice(0)) await remove();
  }
  if (CHOSEN.includes("faults")) {
    const rows: Row[] = [];
    const load = { rate: Number(values.rate), streams: 200, events: 20 };
    const conditions = { program: buildTraffic(FOLDER), load, ...where };
    await measureFaults(
      values.scenario,
      conditions,
      TO_REMOVE,
      (row) => {
        show(row);
        rows.push(row);
        write("faults", rows);
      },
      (what) => {
        areAllKept = false;
        console.log(`✗ not measured: ${what}`);
      },
    );
  }
} finally {
  await clear();
}
process.exitCode = areAllKept ? 0 : 1;
