/** A scenario of the table: what happens, what must hold, and how that is checked. */
import { loadavg } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { apart, tellStall, watchStalls, type Stall, type StallWatch } from "../../test/support/stalls.ts";
import {
  failuresOf,
  measure,
  timeline,
  type Figures,
  type ReplicaSample,
  type StoredRows,
  type Timeline,
} from "./measure.ts";
import { startTraffic, type Account, type Failure, type LoadSize } from "./traffic.ts";

/** The target of the load. */
export interface Environment {
  /** Its URL on the loopback, without a path. */
  readonly url: string;
  /**
   * Where it listens (host:port) without the engine's loopback proxy, which copies every byte once more and which real
   * clients do not pass; undefined where only the URL leads to it. It changes when the container that answers is replaced.
   * Several, separated by commas: each connection goes to the next of them.
   */
  direct(): Promise<string | undefined>;
  /** The rows in the database whose names begin with this prefix. */
  storedRows(run: string): Promise<StoredRows>;
  /** Watches the replicas until it is stopped. */
  watch(): { stop(): readonly ReplicaSample[] };
  /** Restores the sources to the committed state. */
  restore(): void;
}

/** One condition that must hold, and whether it did. */
export interface Verdict {
  readonly what: string;
  readonly holds: boolean;
}

/** What a scenario's judge gets. */
export interface Evidence {
  readonly account: Account;
  /** The failures that count. */
  readonly failures: readonly Failure[];
  readonly figures: Figures;
  readonly replicas: readonly ReplicaSample[];
  /** Unix ms. */
  readonly began: number;
  readonly ended: number;
}

/** What an act reports that the load cannot show. */
export interface Outcome {
  /** Time from the start of the act until its effect was over, s; default: how long the act took. */
  readonly recovery?: number;
  readonly verdicts?: readonly Verdict[];
  /** Checks that need both what the act knows and the account of the load. */
  readonly judge?: (evidence: Evidence) => readonly Verdict[];
  /** Until when the load goes on at least (Unix ms), because something has to happen by then. */
  readonly loadUntil?: number;
  /** Its title in the table. */
  readonly notes?: readonly string[];
}

export interface Scenario<E extends Environment> {
  /** Its name on the command line. */
  readonly name: string;
  readonly what: string;
  /** True if the container that answers is replaced or gets another address: the load then goes to the loopback. */
  readonly byLoopback?: boolean;
  /** Runs before the load begins. */
  readonly before?: (environment: E) => Promise<{ readonly notRun: string } | undefined>;
  /** Performs the act under load, and resolves when it is over. */
  readonly act: (environment: E, began: number) => Promise<Outcome>;
  readonly judge: (evidence: Evidence) => readonly Verdict[];
  /** Brings the stack back to a good state, after the load has ended. */
  readonly after?: (environment: E) => Promise<readonly Verdict[] | void>;
}

/** The result of a scenario that could be measured. */
interface Measured {
  readonly seconds: number;
  readonly recovery?: number;
  readonly figures: Figures;
  readonly verdicts: readonly Verdict[];
  readonly notes: readonly string[];
  readonly timeline: Timeline;
}

/** A scenario's result, as docs/resilience.json keeps it. */
export interface Result extends Partial<Measured> {
  readonly name: string;
  readonly what: string;
  readonly date: string;
  readonly commit: string;
  readonly machine: string;
  readonly load: LoadSize;
  /** The machine's load average before the scenario, 1 minute. */
  readonly busy: number;
  /** When the machine stood still; left out where it never did. What was refused meanwhile counts, unless `isShared`. */
  readonly stalls?: readonly Stall[];
  readonly notRun?: string;
  readonly error?: string;
  readonly verdicts: readonly Verdict[];
  readonly notes: readonly string[];
}

/** No scenario may take longer than this, s. */
const BOUND = 420;

export interface Conditions {
  readonly program: string;
  readonly load: LoadSize;
  /** How long the load runs before the act (for the quiet figures) and after it, s; default 15 and 6. */
  readonly quiet?: number;
  readonly tail?: number;
  /** Other things run on this machine: what it explains is not counted. Default: everything counts. */
  readonly isShared?: boolean;
  readonly date: string;
  readonly commit: string;
  readonly machine: string;
}

/** Runs one scenario and brings the environment back to a good state. An error is a result as well, with its reason. */
export async function runScenario<E extends Environment>(
  scenario: Scenario<E>,
  environment: E,
  conditions: Conditions,
): Promise<Result> {
  const { program: _, quiet: _quiet, tail: _tail, isShared: _isShared, ...where } = conditions;
  const empty = { verdicts: [], notes: [] };
  const head = { name: scenario.name, what: scenario.what, ...where, busy: loadavg()[0] ?? 0, ...empty };
  const failed = (error: unknown): { error: string } => ({
    error: error instanceof Error ? error.message : String(error),
  });
  const ready = await scenario.before?.(environment).catch(failed);
  if (ready !== undefined) return { ...head, ...ready };
  const watch = await watchStalls();
  const result = await underLoad(scenario, environment, conditions, watch).catch(failed);
  const after = await scenario.after?.(environment).catch(failed);
  environment.restore();
  const stalls = await watch.stop();
  const seen = {
    notes: [...("notes" in result ? result.notes : []), ...stalls.map(tellStall)],
    ...(stalls.length > 0 ? { stalls } : {}),
  };
  if (after !== undefined && "error" in after) return { ...head, ...result, ...seen, ...after };
  return {
    ...head,
    ...result,
    ...seen,
    verdicts: [...("verdicts" in result ? result.verdicts : []), ...(after ?? [])],
  };
}

async function underLoad<E extends Environment>(
  scenario: Scenario<E>,
  environment: E,
  { program, load, quiet = 15, tail = 6, isShared = false }: Conditions,
  stalling: StallWatch,
): Promise<Measured | { readonly notRun: string }> {
  const run = `r${Date.now().toString(36)}`;
  const direct = scenario.byLoopback ? undefined : await environment.direct();
  // By the URL's name all the same: the edge serves no others.
  const dial = direct === undefined ? [] : ["-dial", direct];
  const traffic = await startTraffic(program, environment.url, run, load, dial);
  const watch = environment.watch();
  await sleep(quiet * 1000);
  const began = Date.now();
  const acting = bounded(scenario.act(environment, began), scenario.name);
  const { loadUntil = 0 } = await acting.catch((): Outcome => ({}));
  const ended = Date.now();
  await sleep(Math.max(tail * 1000, loadUntil - ended));
  const account = await traffic.stop().finally(() => void watch.stop());
  const replicas = watch.stop();
  const outcome = await acting;
  const stalls = isShared ? await stalling.stop() : [];
  const { counted: failures, ofStalls } = apart(failuresOf(account), stalls, account.requests.samples.length);
  const early = failures.filter(({ at, ms }) => at + ms < began).length;
  if (early > 0)
    return { notRun: `the machine was too busy: ${early} requests failed before anything was done` };
  const figures = measure(account, await environment.storedRows(run), began, ended, failures);
  const evidence: Evidence = { account, failures, figures, replicas, began, ended };
  return {
    seconds: (ended - began) / 1000,
    recovery: outcome.recovery,
    figures,
    verdicts: [
      ...scenario.judge(evidence),
      ...(outcome.judge?.(evidence) ?? []),
      ...(outcome.verdicts ?? []),
    ],
    notes: [
      ...(outcome.notes ?? []),
      ...(ofStalls.length > 0 ? [`${ofStalls.length} requests were refused meanwhile, and not counted`] : []),
    ],
    timeline: timeline(account, replicas, began, ended),
  };
}

async function bounded<T>(work: Promise<T>, name: string): Promise<T> {
  const timer = new AbortController();
  const late = sleep(BOUND * 1000, undefined, { signal: timer.signal }).then(() => {
    throw new Error(`${name} was not over after ${BOUND} s`);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    timer.abort();
    late.catch(() => undefined);
  }
}
