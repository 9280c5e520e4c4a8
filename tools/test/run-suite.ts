/** Runs one suite in a process of its own and counts what it says. */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Suite } from "./suites.ts";

export interface Failure {
  readonly title: string;
  readonly error: string;
}

/** A test or a hook, and how long it took. */
export interface Duration {
  readonly title: string;
  readonly seconds: number;
}

export interface Counts {
  readonly passed: number;
  readonly skipped: number;
  readonly failures: readonly Failure[];
  readonly slowest: readonly Duration[];
}

export interface SuiteResult extends Counts {
  readonly suite: Suite;
  readonly seconds: number;
}

const REPOSITORY = join(import.meta.dirname, "../..");

/**
 * @param folder where the suite's process leaves its counts.
 * @param write takes what the suite says.
 */
export async function runSuite(
  suite: Suite,
  env: NodeJS.ProcessEnv,
  folder: string,
  write: (text: string) => void,
): Promise<SuiteResult> {
  const file = join(folder, `${suite.name}.json`);
  const [program = "", ...args] = suite.command;
  const started = performance.now();
  const code = await new Promise<number>((resolve) => {
    const child = spawn(join(REPOSITORY, "node_modules/.bin", program), args, {
      cwd: REPOSITORY,
      env: { ...env, OMNIAI_TEST_COUNTS: file },
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", write);
    child.on("error", (error) => {
      write(`${program} could not start: ${error.message}\n`);
      resolve(1);
    });
    child.on("close", (status) => resolve(status ?? 1));
  });
  const seconds = (performance.now() - started) / 1000;
  return { suite, seconds, ...count(suite, code, file) };
}

/** A suite that ended badly without a failed test failed all the same: it crashed, or left before it was done. */
function count(suite: Suite, code: number, file: string): Counts {
  const failures = [{ title: suite.name, error: `ended with ${code}; it says above why` }];
  const none = { passed: 0, skipped: 0, failures: [], slowest: [] };
  if (!suite.counted) return code === 0 ? { ...none, passed: 1 } : { ...none, failures };
  try {
    const counts = JSON.parse(readFileSync(file, "utf8")) as Counts;
    return code !== 0 && counts.failures.length === 0 ? { ...counts, failures } : counts;
  } catch {
    return { ...none, failures };
  }
}
