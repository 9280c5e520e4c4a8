/** Runs one suite in a process of its own and counts what it says. */
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { killTree } from "../../test/support/process.ts";
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
/** How long a suite may still run after its last test. A program that a test forgot would keep it for ever. */
const LEAVE_SECONDS = 30;

/**
 * @param folder where the suite's process leaves its counts.
 * @param write takes what the suite says.
 * @param leaveSeconds after its last test, until it is ended and counted as failed.
 */
export async function runSuite(
  suite: Suite,
  env: NodeJS.ProcessEnv,
  folder: string,
  write: (text: string) => void,
  leaveSeconds = LEAVE_SECONDS,
): Promise<SuiteResult> {
  const file = join(folder, `${suite.name}.json`);
  const [program = "", ...args] = suite.command;
  const started = performance.now();
  let wasEnded = false;
  const code = await new Promise<number>((resolve) => {
    const child = spawn(join(REPOSITORY, "node_modules/.bin", program), args, {
      cwd: REPOSITORY,
      env: { ...env, OMNIAI_TEST_COUNTS: file },
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", write);
    let told: number | undefined;
    const look = setInterval(() => {
      if (!existsSync(file)) return;
      told ??= performance.now();
      if (performance.now() - told < leaveSeconds * 1000) return;
      clearInterval(look);
      wasEnded = true;
      if (child.pid !== undefined) killTree(child.pid);
      // What it has started may outlive it and hold these.
      child.stdout.destroy();
      child.stderr.destroy();
      resolve(1);
    }, 250);
    child.on("error", (error) => {
      clearInterval(look);
      write(`${program} could not start: ${error.message}\n`);
      resolve(1);
    });
    child.on("close", (status) => {
      clearInterval(look);
      resolve(status ?? 1);
    });
  });
  const seconds = (performance.now() - started) / 1000;
  const counts = count(suite, code, file);
  if (!wasEnded) return { suite, seconds, ...counts };
  const left = `still ran ${leaveSeconds} s after its last test and was ended: a test left a server, a timer or a program behind`;
  // The code is that of its end by this one, which is the failure to tell.
  const failures = counts.failures.filter(({ title }) => title !== suite.name);
  return { suite, seconds, ...counts, failures: [...failures, { title: suite.name, error: left }] };
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
