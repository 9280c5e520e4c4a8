/**
 * `npm run bench:resilience [-- ROW…]`: puts load on a stack of its own, does the thing of each row, and accounts for
 * every request, row and event. Writes docs/resilience.md, .json and .svg; rows that did not run keep their figures.
 * Needs Go, and root for the rows that touch processes of the host.
 *
 * --rate, --streams, --events: another load than 200 requests a second, 500 streams and 20 events a second.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { cpus, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { prepare } from "../tools/test/prepare.ts";
import { writeResults } from "./resilience/report.ts";
import { createGround } from "./resilience/peer-environment.ts";
import { runRow, type Conditions, type Place, type Result, type Row } from "./resilience/scenario.ts";
import { rows } from "./resilience/scenarios/index.ts";
import { peerRows } from "./resilience/scenarios/peers.ts";
import { createScene } from "./resilience/stack-environment.ts";
import { buildTraffic } from "./resilience/traffic.ts";

const repository = join(import.meta.dirname, "..");
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rate: { type: "string", default: "200" },
    streams: { type: "string", default: "500" },
    events: { type: "string", default: "20" },
  },
});
const names = [...rows, ...peerRows].map(({ name }) => name);
const unknown = positionals.filter((name) => !names.includes(name));
if (unknown.length > 0) {
  console.error(`There is no row ${unknown.join(", ")}; there are: ${names.join(", ")}.`);
  process.exit(2);
}
const choose = <P extends Place>(all: readonly Row<P>[]): readonly Row<P>[] =>
  all.filter(({ name }) => positionals.length === 0 || positionals.includes(name));

/** One address makes all of the load, so the limits for one address have to be above it. */
const CONFIG = { clientReportsPerMinute: 60_000 };

Object.assign(process.env, await prepare(new Set(["stack"]), true));
const folder = mkdtempSync(join(tmpdir(), "omniai-resilience-"));
const engine = spawnSync("docker", ["version", "-f", "{{.Server.Version}}"], { encoding: "utf8" });
const conditions: Conditions = {
  program: buildTraffic(folder),
  load: { rate: Number(values.rate), streams: Number(values.streams), events: Number(values.events) },
  date: new Date().toISOString().slice(0, 10),
  commit: execFileSync("git", ["rev-parse", "--short", "HEAD"], { encoding: "utf8" }).trim(),
  machine: `${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB, engine ${engine.stdout.trim()}`,
};

const done: Result[] = [];
const toRemove: (() => Promise<void>)[] = [];
const clear = async (): Promise<void> => {
  for (const remove of toRemove.splice(0)) await remove();
};
const leave = (): void => void clear().finally(() => process.exit(130));
process.once("SIGINT", leave).once("SIGTERM", leave);

async function runAll<P extends Place>(chosen: readonly Row<P>[], create: () => Promise<P>): Promise<void> {
  if (chosen.length === 0) return;
  const place = await create();
  for (const row of chosen) {
    const result = await runRow(row, place, conditions);
    done.push(result);
    const { recovery, notRun, error, verdicts, figures } = result;
    console.log(`\n${row.name}: ${notRun ?? error ?? `${recovery?.toFixed(1) ?? ""} s`}`);
    for (const { what, holds } of verdicts) console.log(`  ${holds ? "holds" : "DOES NOT HOLD"}: ${what}`);
    for (const reason of figures?.reasons ?? []) console.log(`  ${reason}`);
    // At once: a later row that breaks the machine takes nothing away.
    writeResults(join(repository, "docs"), done, names);
  }
  await clear();
}

try {
  await runAll(choose(rows), async () => {
    const scene = await createScene(`resil-${process.pid}`, CONFIG);
    toRemove.push(() => scene.remove());
    await scene.succeed("up", "--yes");
    return scene;
  });
  await runAll(choose(peerRows), async () => {
    const ground = await createGround();
    toRemove.push(() => Promise.resolve(ground.remove()));
    return ground;
  });
} finally {
  await clear();
  rmSync(folder, { recursive: true, force: true });
}
const isGood = ({ error, notRun, verdicts }: Result): boolean =>
  !error && !notRun && verdicts.every(({ holds }) => holds);
process.exitCode = done.every(isGood) ? 0 : 1;
