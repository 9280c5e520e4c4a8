/**
 * `npm run bench:data [-- PART…] [--gb N]`: measures what is lost with the database, how exact a restore is, and what
 * backups cost, and how soon a lost host is back. Writes docs/data-safety.md, .json and .svg. Parts: loss, speed, service,
 * drill; default: all. Needs Go for service. Parts that did not run keep their figures.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { cpus, loadavg, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { exitIfKept } from "../tools/host/npm-flags.ts";
import { prepare } from "../tools/test/prepare.ts";
import { measureDrill } from "./data/drill.ts";
import { measureLoss, measureMoment } from "./data/loss.ts";
import { parts, writeResults, type Chart, type Measured, type Part } from "./data/report.ts";
import { measureService } from "./data/service.ts";
import { measureSpeed } from "./data/speed.ts";
import { isKept, type Row } from "./report.ts";

const NAMES = Object.keys(parts);
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { gb: { type: "string" } },
});
exitIfKept("bench:data", [{ name: "gb", value: "number" }]);
/** Without --gb. The drill's promise is about so much. */
const usual: Readonly<Partial<Record<Part, number>>> = { speed: 0.5, drill: 1 };
const gigabytes = (part: Part): number => (values.gb === undefined ? (usual[part] ?? 0) : Number(values.gb));
const UNKNOWN = positionals.filter((name) => !NAMES.includes(name));
if (UNKNOWN.length > 0 || (values.gb !== undefined && !(Number(values.gb) > 0))) {
  console.error(
    UNKNOWN.length > 0
      ? `There is no part ${UNKNOWN.join(", ")}; there are: ${NAMES.join(", ")}.`
      : `--gb takes a number greater than 0, such as 0.5 or 10; it was ${values.gb}.`,
  );
  process.exit(2);
}
const has = (part: Part): boolean => positionals.length === 0 || positionals.includes(part);

const LOAD_BEFORE = loadavg()[0] ?? 0;
const FOLDER = mkdtempSync(join(tmpdir(), "omniai-data-"));
const DOCS = join(import.meta.dirname, "../docs");

interface Figures {
  readonly rows: readonly Row[];
  readonly charts: readonly Chart[];
}

async function loss(): Promise<Figures> {
  const plain = await measureLoss(false);
  const synchronous = await measureLoss(true);
  const bars = [
    { label: "default, p50", value: plain.commit.p50 },
    { label: "default, p99", value: plain.commit.p99 },
    { label: "synchronous, p50", value: synchronous.commit.p50 },
    { label: "synchronous, p99", value: synchronous.commit.p99 },
  ];
  return {
    rows: [...plain.rows, ...synchronous.rows, ...(await measureMoment())],
    charts: [{ title: "A commit at 500 a second, ms", bars }],
  };
}

async function speed(): Promise<Figures> {
  const { rows, pairs } = await measureSpeed(gigabytes("speed"));
  const charts = pairs.map(({ what, own, reference }) => ({
    title: `${what}, s (${gigabytes("speed")} GB)`,
    bars: [
      { label: "the room", value: own },
      { label: "the tools alone", value: reference },
    ],
  }));
  return { rows, charts };
}

async function drill(): Promise<Figures> {
  const { rows, phases } = await measureDrill(gigabytes("drill"));
  return { rows, charts: [{ title: `A drill, s (${gigabytes("drill")} GB)`, bars: phases }] };
}

async function service(): Promise<Figures> {
  return { rows: await measureService(FOLDER), charts: [] };
}

/** Written after each part, so that it survives a later one that breaks. @returns whether all promises were kept */
async function run(part: Part, measure: () => Promise<Figures>): Promise<boolean> {
  if (!has(part)) return true;
  const figures = await measure();
  for (const { what, unit, values: all, detail } of figures.rows)
    console.log(`${what}: ${all.map((value) => value.toFixed(2)).join(", ")} ${unit} (${detail ?? ""})`);
  const data = part in usual ? `, ${gigabytes(part)} GB of data` : "";
  const measured: Measured = {
    date: new Date().toISOString().slice(0, 10),
    commit: execFileSync("git", ["rev-parse", "--short", "HEAD"], { encoding: "utf8" }).trim(),
    machine: `${cpus().length} cores (servers, room and load share them), ${Math.round(totalmem() / 2 ** 30)} GiB${data}; load average ${LOAD_BEFORE.toFixed(1)} before`,
    ...figures,
  };
  writeResults(DOCS, { [part]: measured });
  return figures.rows.every(isKept);
}

Object.assign(process.env, await prepare(new Set(["stack"]), true));
try {
  const kept = [
    await run("loss", loss),
    await run("speed", speed),
    await run("service", service),
    await run("drill", drill),
  ];
  process.exitCode = kept.every(Boolean) ? 0 : 1;
} finally {
  rmSync(FOLDER, { recursive: true, force: true });
}
