/** A scenario of the table: what happens, what must hold, and how both are found out. */
import { loadavg } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import {
  failuresOf,
  measure,
  timeline,
  type Figures,
  type ReplicaSample,
  type StoredRows,
  type Timeline,
} from "./measure.ts";
import { startTraffic, type Account, type LoadSize } from "./traffic.ts";

/** What the load is put on. */
export interface Environment {
  /** Where it answers on the loopback, without a path. */
  readonly url: string;
  /**
   * Where it answers without the engine's proxy for the loopback, which copies every byte once more and which nobody from
   * outside meets. Another one when what answers is replaced.
   */
  direct(): Promise<string>;
  /** What the database has of the rows whose names begin so. */
  storedRows(run: string): Promise<StoredRows>;
  /** Looks at the replicas until it is stopped. */
  watch(): { stop(): readonly ReplicaSample[] };
  /** Brings the sources back to what is committed. */
  restore(): void;
}

/** One thing that must hold, and what was found. */
export interface Verdict {
  readonly what: string;
  readonly holds: boolean;
}

/** What a scenario's judge looks at. */
export interface Evidence {
  readonly account: Account;
  readonly figures: Figures;
  readonly replicas: readonly ReplicaSample[];
  /** Unix ms. */
  readonly began: number;
  readonly ended: number;
}

/** What an act has to say beyond what the load shows. */
export interface Outcome {
  /** From the start of the thing until it was over, s; default: how long the act took. */
  readonly recovery?: number;
  readonly verdicts?: readonly Verdict[];
  /** What only the account can tell, of something that only the act knows. */
  readonly judge?: (evidence: Evidence) => readonly Verdict[];
  /** For the table. */
  readonly notes?: readonly string[];
}

export interface Scenario<E extends Environment> {
  /** As on the command line. */
  readonly name: string;
  readonly what: string;
  /** True where what answers is replaced or gets another address: the load goes to the loopback. */
  readonly byLoopback?: boolean;
  /** Before the load begins. */
  readonly before?: (environment: E) => Promise<{ readonly notRun: string } | undefined>;
  /** Does the thing, under load, and resolves when it is over. */
  readonly act: (environment: E, began: number) => Promise<Outcome>;
  readonly judge: (evidence: Evidence) => readonly Verdict[];
  /** Brings the stack back to a good state, without load. */
  readonly after?: (environment: E) => Promise<readonly Verdict[] | void>;
}

/** What a scenario that could be measured gave. */
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
  /** Before the thing, for the quiet figures, and after it, s; default 15 and 6. */
  readonly quiet?: number;
  readonly tail?: number;
  readonly date: string;
  readonly commit: string;
  readonly machine: string;
}

/** Runs one scenario and brings the environment back to a good state. An error is a result as well: it says why. */
export async function runScenario<E extends Environment>(
  scenario: Scenario<E>,
  environment: E,
  conditions: Conditions,
): Promise<Result> {
  const { program: _, quiet: _quiet, tail: _tail, ...where } = conditions;
  const empty = { verdicts: [], notes: [] };
  const head = { name: scenario.name, what: scenario.what, ...where, busy: loadavg()[0] ?? 0, ...empty };
  const failed = (error: unknown): { error: string } => ({
    error: error instanceof Error ? error.message : String(error),
  });
  const ready = await scenario.before?.(environment).catch(failed);
  if (ready !== undefined) return { ...head, ...ready };
  const result = await underLoad(scenario, environment, conditions).catch(failed);
  const after = await scenario.after?.(environment).catch(failed);
  environment.restore();
  if (after !== undefined && "error" in after) return { ...head, ...result, ...after };
  return {
    ...head,
    ...result,
    verdicts: [...("verdicts" in result ? result.verdicts : []), ...(after ?? [])],
  };
}

async function underLoad<E extends Environment>(
  scenario: Scenario<E>,
  environment: E,
  { program, load, quiet = 15, tail = 6 }: Conditions,
): Promise<Measured | { readonly notRun: string }> {
  const run = `r${Date.now().toString(36)}`;
  const url = scenario.byLoopback ? environment.url : await environment.direct();
  const traffic = await startTraffic(program, url, run, load);
  const watch = environment.watch();
  await sleep(quiet * 1000);
  const began = Date.now();
  const acting = bounded(scenario.act(environment, began), scenario.name);
  await acting.catch(() => undefined);
  const ended = Date.now();
  await sleep(tail * 1000);
  const account = await traffic.stop();
  const replicas = watch.stop();
  const outcome = await acting;
  const early = failuresOf(account).filter(({ at, ms }) => at + ms < began).length;
  if (early > 0)
    return { notRun: `the machine was too busy: ${early} requests failed before anything was done` };
  const figures = measure(account, await environment.storedRows(run), began, ended);
  const evidence: Evidence = { account, figures, replicas, began, ended };
  return {
    seconds: (ended - began) / 1000,
    recovery: outcome.recovery,
    figures,
    verdicts: [
      ...scenario.judge(evidence),
      ...(outcome.judge?.(evidence) ?? []),
      ...(outcome.verdicts ?? []),
    ],
    notes: outcome.notes ?? [],
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
