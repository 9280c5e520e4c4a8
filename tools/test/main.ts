/**
 * Runs every suite and adds up: `npm test [-- SUITE…]`. Its last line is `N passed, N failed`, after what failed told
 * once more, since whoever keeps only the end of a long output has lost it otherwise. It exits with 0 only when nothing
 * failed and something passed.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { prepare } from "./prepare.ts";
import { suites, type Suite } from "./suites.ts";

interface Failure {
  readonly title: string;
  readonly error: string;
}

interface Counts {
  passed: number;
  skipped: number;
  failures: Failure[];
}

/** Lines of a failure that are told again; the whole stands where it happened. */
const toldLines = 12;

const repository = join(import.meta.dirname, "../..");

async function run(suite: Suite, env: NodeJS.ProcessEnv, folder: string): Promise<Counts> {
  const file = join(folder, `${suite.name}.json`);
  const [program = "", ...args] = suite.command;
  const started = performance.now();
  console.log(`\n── ${suite.name} ──`);
  const code = await new Promise<number>((resolve) => {
    const child = spawn(join(repository, "node_modules/.bin", program), args, {
      cwd: repository,
      env: { ...env, OMNIAI_TEST_COUNTS: file },
      stdio: ["ignore", "inherit", "inherit"],
    });
    child.on("error", () => resolve(1));
    child.on("exit", (status) => resolve(status ?? 1));
  });
  const counts = count(suite, code, file);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(`${suite.name}: ${summary(counts)} in ${seconds} s`);
  return counts;
}

/** A suite that ended badly without a failed test failed all the same: it crashed, or left before it was done. */
function count(suite: Suite, code: number, file: string): Counts {
  const failures = [{ title: suite.name, error: `ended with ${code}; it says above why` }];
  if (!suite.counted) {
    return code === 0 ? { passed: 1, skipped: 0, failures: [] } : { passed: 0, skipped: 0, failures };
  }
  try {
    const counts = JSON.parse(readFileSync(file, "utf8")) as Counts;
    return code !== 0 && counts.failures.length === 0 ? { ...counts, failures } : counts;
  } catch {
    return { passed: 0, skipped: 0, failures };
  }
}

function tell({ title, error }: Failure): void {
  console.log(`\nfailed: ${title}`);
  for (const line of error.split("\n").slice(0, toldLines)) console.log(`  ${line}`);
}

const summary = ({ passed, skipped, failures }: Counts): string =>
  `${passed} passed, ${failures.length} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`;

const names = process.argv.slice(2).filter((argument) => !argument.startsWith("--"));
const unknown = names.filter((name) => !suites.some((suite) => suite.name === name));
if (unknown.length > 0) {
  console.error(
    `There is no suite ${unknown.join(", ")}; there are: ${suites.map(({ name }) => name).join(", ")}.`,
  );
  process.exit(2);
}
const chosen = suites.filter(({ name }) => names.length === 0 || names.includes(name));
const folder = mkdtempSync(join(tmpdir(), "omniai-test-"));
const total: Counts = { passed: 0, skipped: 0, failures: [] };
try {
  const env = await prepare(
    new Set(chosen.map(({ needs }) => needs)),
    !process.argv.includes("--no-install"),
  );
  for (const suite of chosen) {
    const counts = await run(suite, env, folder);
    total.passed += counts.passed;
    total.skipped += counts.skipped;
    total.failures.push(...counts.failures);
  }
} catch (error) {
  // What the tests need could not be had: that is a failure, never a skip.
  console.error(error instanceof Error ? error.message : error);
  total.failures.push({
    title: "what the tests need",
    error: "could not be had, or a suite not run; it says above why",
  });
} finally {
  rmSync(folder, { recursive: true, force: true });
}
total.failures.forEach(tell);
console.log(`\n${summary(total)}`);
process.exitCode = total.failures.length > 0 || total.passed === 0 ? 1 : 0;
