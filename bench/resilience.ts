/**
 * `npm run bench:resilience [-- SCENARIO…]`: puts load on a stack of its own, plays each scenario, and accounts for
 * every request, row and event. Writes docs/resilience.md, .json and .svg; scenarios that did not run keep their figures.
 * Needs Go, and root for the scenarios that touch processes of the host.
 *
 * --rate, --streams and --events change the load; the default is 200 requests a second, 500 streams and 20 events a
 * second.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { cpus, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { exitIfKept } from "../tools/host/npm-flags.ts";
import { prepare } from "../tools/test/prepare.ts";
import { writeResults } from "./resilience/report.ts";
import { createBoxEnvironment } from "./resilience/box-environment.ts";
import { createPeerEnvironment } from "./resilience/peer-environment.ts";
import { loadConfig, loadOptions, readLoad } from "./resilience/load-options.ts";
import {
  runScenario,
  type Conditions,
  type Environment,
  type Result,
  type Scenario,
} from "./resilience/scenario.ts";
import { SCENARIOS } from "./resilience/scenarios/index.ts";
import { PEER_SCENARIOS } from "./resilience/scenarios/peers.ts";
import { REMOTE_SCENARIOS } from "./resilience/scenarios/remote.ts";
import { createStackEnvironment } from "./resilience/stack-environment.ts";
import { buildTraffic } from "./resilience/traffic.ts";

const REPOSITORY = join(import.meta.dirname, "..");
const { values, positionals } = parseArgs({ allowPositionals: true, options: loadOptions });
exitIfKept(
  "bench:resilience",
  Object.keys(loadOptions).map((name) => ({ name, value: "number" })),
);
const NAMES = [...SCENARIOS, ...REMOTE_SCENARIOS, ...PEER_SCENARIOS].map(({ name }) => name);
const UNKNOWN = positionals.filter((name) => !NAMES.includes(name));
if (UNKNOWN.length > 0) {
  console.error(`There is no scenario ${UNKNOWN.join(", ")}; there are: ${NAMES.join(", ")}.`);
  process.exit(2);
}
const choose = <E extends Environment>(all: readonly Scenario<E>[]): readonly Scenario<E>[] =>
  all.filter(({ name }) => positionals.length === 0 || positionals.includes(name));

Object.assign(process.env, await prepare(new Set(["stack"]), true));
const FOLDER = mkdtempSync(join(tmpdir(), "omniai-resilience-"));
const engine = spawnSync("docker", ["version", "-f", "{{.Server.Version}}"], { encoding: "utf8" });
const conditions: Conditions = {
  program: buildTraffic(FOLDER),
  load: readLoad(values),
  date: new Date().toISOString().slice(0, 10),
  commit: execFileSync("git", ["rev-parse", "--short", "HEAD"], { encoding: "utf8" }).trim(),
  machine: `${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB, engine ${engine.stdout.trim()}`,
};

const DONE: Result[] = [];
const TO_REMOVE: (() => Promise<void>)[] = [];
const clear = async (): Promise<void> => {
  for (const remove of TO_REMOVE.splice(0)) await remove();
};
const leave = (): void => void clear().finally(() => process.exit(130));
process.once("SIGINT", leave).once("SIGTERM", leave);

async function runAll<E extends Environment>(
  chosen: readonly Scenario<E>[],
  create: () => Promise<E>,
): Promise<void> {
  if (chosen.length === 0) return;
  const environment = await create();
  for (const scenario of chosen) {
    const result = await runScenario(scenario, environment, conditions);
    DONE.push(result);
    const { recovery, notRun, error, verdicts, figures } = result;
    console.log(`\n${scenario.name}: ${notRun ?? error ?? `${recovery?.toFixed(1) ?? ""} s`}`);
    for (const { what, holds } of verdicts) console.log(`  ${holds ? "holds" : "DOES NOT HOLD"}: ${what}`);
    for (const reason of figures?.reasons ?? []) console.log(`  ${reason}`);
    // Written after each scenario, so that these results survive if a later scenario breaks the machine.
    writeResults(join(REPOSITORY, "docs"), DONE, NAMES);
  }
  await clear();
}

try {
  await runAll(choose(SCENARIOS), async () => {
    const environment = await createStackEnvironment(`resil-${process.pid}`, loadConfig);
    TO_REMOVE.push(() => environment.remove());
    await environment.succeed("up", "--yes");
    return environment;
  });
  await runAll(choose(REMOTE_SCENARIOS), async () => {
    const environment = await createBoxEnvironment(`resil-box-${process.pid}`, loadConfig);
    TO_REMOVE.push(() => environment.remove());
    return environment;
  });
  await runAll(choose(PEER_SCENARIOS), async () => {
    const environment = await createPeerEnvironment();
    TO_REMOVE.push(() => Promise.resolve(environment.remove()));
    return environment;
  });
} finally {
  await clear();
  rmSync(FOLDER, { recursive: true, force: true });
}
const isGood = ({ error, notRun, verdicts }: Result): boolean =>
  !error && !notRun && verdicts.every(({ holds }) => holds);
process.exitCode = DONE.every(isGood) ? 0 : 1;
