/**
 * `npm run bench:swarm [-- stack|plain SCENARIO… --runs N --rate N --streams N --events N]`: a stack on three machines while it is
 * changed and while machines are lost, under the load of bench:resilience; and the same service deployed by `docker service`
 * with its defaults, on the same machines in the same run. Writes docs/bench/swarm.md and .json, with what was played alone. The
 * machines are containers, so all of them, the deploys and the load share this one. Needs Go. Default: all scenarios, each once, and the
 * load of bench:resilience.
 */
import "./swarm/outside-mocha.ts";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { cpus, loadavg, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { startSwarmStack } from "../test/support/swarm/stack.ts";
import { exitIfKept } from "../tools/host/npm-flags.ts";
import { prepare } from "../tools/test/prepare.ts";
import { isKept, writeReport } from "./report.ts";
import { loadConfig, loadOptions, readLoad } from "./resilience/load-options.ts";
import { runScenario, type Conditions, type Result } from "./resilience/scenario.ts";
import { buildTraffic } from "./resilience/traffic.ts";
import { stackOnLab, type LabEnvironment } from "./swarm/environment.ts";
import { plainOnLab } from "./swarm/plain.ts";
import { rowsOf } from "./swarm/rows.ts";
import { SCENARIOS } from "./swarm/scenarios.ts";

const options = {
  runs: { type: "string", default: "1" },
  ...loadOptions,
} as const;
const { values, positionals } = parseArgs({ allowPositionals: true, options });
exitIfKept(
  "bench:swarm",
  Object.keys(options).map((name) => ({ name, value: "number" })),
);
const WAYS = ["stack", "plain"] as const;
const SCENARIO_NAMES = SCENARIOS.map(({ name }) => name);
const UNKNOWN = positionals.filter((name) => ![...WAYS, ...SCENARIO_NAMES].includes(name));
if (UNKNOWN.length > 0) {
  console.error(
    `There is no ${UNKNOWN.join(", ")}. Ways: ${WAYS.join(", ")}. Scenarios: ${SCENARIO_NAMES.join(", ")}.`,
  );
  process.exit(2);
}
const RUNS = Number(values.runs);
if (!Number.isInteger(RUNS) || RUNS < 1) {
  console.error(`--runs is a number from 1 on, and not "${values.runs}".`);
  process.exit(2);
}
/** All of these where none is named. */
const isChosen = (name: string, all: readonly string[]): boolean =>
  positionals.includes(name) || !all.some((other) => positionals.includes(other));
const CHOSEN = SCENARIOS.filter(({ name }) => isChosen(name, SCENARIO_NAMES));

const FOLDER = mkdtempSync(join(tmpdir(), "omniai-bench-swarm-"));
const TO_REMOVE: (() => unknown)[] = [() => rmSync(FOLDER, { recursive: true, force: true })];
const clear = async (): Promise<void> => {
  for (const remove of TO_REMOVE.splice(0).reverse()) await remove();
};
const leave = (): void => void clear().finally(() => process.exit(130));
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  // The servers of the tests would end this process at once, with all that it has begun.
  process.removeAllListeners(signal).once(signal, leave);
}

const done: Record<(typeof WAYS)[number], Map<string, Result[]>> = { stack: new Map(), plain: new Map() };
const rows = () =>
  rowsOf(
    CHOSEN.map(({ name, isPlanned }) => ({
      isPlanned,
      stack: done.stack.get(name) ?? [],
      plain: done.plain.get(name) ?? [],
    })),
  );

async function play(
  by: (typeof WAYS)[number],
  environment: LabEnvironment,
  conditions: Conditions,
): Promise<void> {
  const turns = Array.from({ length: RUNS }, (_, run) => CHOSEN.map((scenario) => ({ run, scenario })));
  for (const { run, scenario } of turns.flat()) {
    const result = await runScenario(scenario, environment, conditions);
    done[by].set(scenario.name, [...(done[by].get(scenario.name) ?? []), result]);
    const title = `${scenario.name}, ${by}${RUNS > 1 ? `, run ${run + 1} of ${RUNS}` : ""}`;
    console.log(`\n${title}: ${result.notRun ?? result.error ?? ""}`);
    for (const { what, holds } of result.verdicts)
      console.log(`  ${holds ? "holds" : "DOES NOT HOLD"}: ${what}`);
    for (const reason of result.figures?.reasons ?? []) console.log(`  ${reason}`);
    // After each, so that these figures survive a scenario that breaks the machines.
    writeReport(join(import.meta.dirname, "../docs/bench"), "swarm", conditions.machine, rows());
  }
}

Object.assign(process.env, await prepare(new Set(["stack", "registry"]), true));
try {
  const load = readLoad(values);
  const size = `${load.rate} requests and ${load.events} events a second, ${load.streams} streams`;
  const conditions: Conditions = {
    program: buildTraffic(FOLDER),
    load,
    date: new Date().toISOString().slice(0, 10),
    commit: execFileSync("git", ["rev-parse", "--short", "HEAD"], { encoding: "utf8" }).trim(),
    machine: `${cpus().length} cores for three machines, the deploys and the load (${size}), ${Math.round(totalmem() / 2 ** 30)} GiB; load average ${(loadavg()[0] ?? 0).toFixed(1)} before`,
  };
  const swarm = await startSwarmStack(loadConfig);
  TO_REMOVE.push(() => swarm.remove());
  await swarm.up();
  if (isChosen("stack", WAYS)) await play("stack", stackOnLab(swarm), conditions);
  if (isChosen("plain", WAYS)) await play("plain", await plainOnLab(swarm), conditions);
} finally {
  await clear();
}
process.exitCode = rows().every(isKept) ? 0 : 1;
