/**
 * Runs suites and adds up: `npm test [-- SUITE|GROUP…] [--list] [--no-install]`. Its last line is `N passed, N failed`,
 * after what failed is told once more, because whoever keeps only the end of a long output has lost it otherwise. It
 * exits with 0 only when nothing failed and something passed.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { exitIfKept } from "../host/npm-flags.ts";
import { prepare } from "./prepare.ts";
import { runSuite, type Counts, type Failure, type SuiteResult } from "./run-suite.ts";
import { GROUPS, onlyNamed, SUITES, type Suite } from "./suites.ts";
import { keepTimes, listing, readTimes } from "./times.ts";
import { Turns, twoAtATime } from "./two-at-a-time.ts";

/** Lines of a failure that are told again; the whole stands where it happened. */
const TOLD_LINES = 12;
/** How many of the slowest tests are told at the end. */
const SLOWEST = 10;
/** A suite that says it needs nothing gets no engine, so that it cannot come to need one unnoticed. */
const noEngine = { DOCKER_HOST: "unix:///this-suite-needs-no-engine.sock" };
const KNOWN_OPTIONS = ["--list", "--no-install"];

function tell({ title, error }: Failure): void {
  console.log(`\nfailed: ${title}`);
  for (const line of error.split("\n").slice(0, TOLD_LINES)) console.log(`  ${line}`);
}

const summary = ({ passed, skipped, failures }: Pick<Counts, "passed" | "skipped" | "failures">): string =>
  `${passed} passed, ${failures.length} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`;

/** @returns the suites that the arguments name, in their order in the list; where none is named, all that need no name. */
function choose(names: readonly string[]): Suite[] {
  const known = [...GROUPS, ...SUITES.map(({ name }) => name)];
  const unknown = names.filter((name) => !known.includes(name));
  if (unknown.length > 0) {
    console.error(`There is no suite or group ${unknown.join(", ")}; there are: ${known.join(", ")}.`);
    process.exit(2);
  }
  return SUITES.filter(({ name, group }) =>
    names.length === 0 ? !onlyNamed.has(group) : names.includes(name) || names.includes(group),
  );
}

/** Runs them two at a time. @returns what could be run. */
async function runAll(chosen: readonly Suite[], env: NodeJS.ProcessEnv): Promise<SuiteResult[]> {
  const folder = mkdtempSync(join(tmpdir(), "omniai-test-"));
  const results: SuiteResult[] = [];
  const turns = new Turns((text) => process.stdout.write(text));
  try {
    await twoAtATime(chosen, async (suite) => {
      const { write, end } = turns.begin();
      write(`\n── ${suite.name} ──\n`);
      const result = await runSuite(
        suite,
        suite.needs.length === 0 ? { ...process.env, ...noEngine } : env,
        folder,
        write,
      );
      results.push(result);
      write(`${suite.name}: ${summary(result)} in ${result.seconds.toFixed(1)} s\n`);
      end();
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return results;
}

function keep(results: readonly SuiteResult[]): void {
  const date = new Date().toISOString();
  const times = results.map(({ suite, seconds, passed, failures }) => [
    suite.name,
    { seconds, passed, failed: failures.length, date },
  ]);
  keepTimes(Object.fromEntries(times) as Parameters<typeof keepTimes>[0]);
}

function tellSlowest(results: readonly SuiteResult[]): void {
  const slowest = results
    .flatMap(({ suite, slowest }) =>
      slowest.map(({ title, seconds }) => ({ title, seconds, suite: suite.name })),
    )
    .sort((a, b) => b.seconds - a.seconds)
    .slice(0, SLOWEST);
  if (slowest.length === 0) return;
  console.log("\nslowest:");
  for (const { title, seconds, suite } of slowest)
    console.log(`  ${seconds.toFixed(1).padStart(6)} s  ${suite}: ${title}`);
}

const OPTIONS = process.argv.slice(2).filter((argument) => argument.startsWith("-"));
const UNKNOWN = OPTIONS.filter((option) => !KNOWN_OPTIONS.includes(option));
if (UNKNOWN.length > 0) {
  console.error(`There is no option ${UNKNOWN.join(", ")}; there are: ${KNOWN_OPTIONS.join(", ")}.`);
  process.exit(2);
}
// Without its flag `npm test --list` would run every test.
exitIfKept(
  process.env["npm_lifecycle_event"] ?? "test",
  KNOWN_OPTIONS.map((option) => ({ name: option.slice(2) })),
);
const CHOSEN = choose(process.argv.slice(2).filter((argument) => !argument.startsWith("-")));
if (OPTIONS.includes("--list")) {
  for (const line of listing(CHOSEN, readTimes())) console.log(line);
  process.exit(0);
}

const STARTED = performance.now();
let results: SuiteResult[] = [];
const FAILURES: Failure[] = [];
try {
  const needs = new Set(CHOSEN.flatMap(({ needs }) => needs));
  results = await runAll(CHOSEN, await prepare(needs, !OPTIONS.includes("--no-install")));
  keep(results);
} catch (error) {
  // What the tests need could not be had: that is a failure, never a skip.
  console.error(error instanceof Error ? error.message : error);
  FAILURES.push({
    title: "what the tests need",
    error: "could not be had, or a suite not run; it says above why",
  });
}
FAILURES.push(...results.flatMap((result) => result.failures));
tellSlowest(results);
FAILURES.forEach(tell);
const PASSED = results.reduce((sum, result) => sum + result.passed, 0);
const SKIPPED = results.reduce((sum, result) => sum + result.skipped, 0);
console.log(`\nin ${Math.round((performance.now() - STARTED) / 1000)} s`);
console.log(summary({ passed: PASSED, skipped: SKIPPED, failures: FAILURES }));
process.exitCode = FAILURES.length > 0 || PASSED === 0 ? 1 : 0;
