/**
 * Notices when the machine stands still or has no processor left: its disk answers nobody, or who wants to run waits. What the stack
 * acknowledges only once it is stored is refused with 503 then, which is what it promises. A test that counted that would blame the
 * stack for whatever else the machine does.
 */
import { fork } from "node:child_process";
import { join } from "node:path";

/** A time in which the machine had nothing left for anybody, in Unix milliseconds. */
export interface Stall {
  readonly from: number;
  readonly to: number;
  readonly what: "stood still" | "had no processor left";
}

export interface StallWatch {
  /** The process that looks. */
  readonly pid: number;
  /** Ends it; may be asked again. @throws Error if it ended before. */
  stop(): Promise<readonly Stall[]>;
}

/** A request that failed: its status, 0 without an answer, when it was sent, in Unix milliseconds, and what the answer said. */
export interface Refusal {
  readonly status: number;
  readonly at: number;
  readonly ms: number;
  readonly why: string;
}

/** Looks ten times a second, in a process of its own that does nothing else, and resolves once it does. @throws Error if it cannot */
export async function watchStalls(): Promise<StallWatch> {
  const child = fork(join(import.meta.dirname, "stalls-process.ts"));
  const ended = new Promise<never>((_, reject) => {
    child.once("error", reject);
    child.once("exit", () => reject(new Error("what looks whether the machine stands still has ended")));
  });
  // Whoever asks hears of it.
  ended.catch(() => undefined);
  const said = <T>(): Promise<T> =>
    Promise.race([ended, new Promise<T>((resolve) => child.once("message", resolve as () => void))]);
  await said();
  // A test that failed before it asked is over all the same.
  child.unref();
  child.channel?.unref();
  let stalls: Promise<readonly Stall[]> | undefined;
  return {
    pid: child.pid ?? 0,
    stop() {
      if (stalls !== undefined) return stalls;
      child.ref();
      child.channel?.ref();
      stalls = said<readonly Stall[]>();
      // Where it cannot be sent, it has ended.
      child.send("stop", () => undefined);
      return stalls;
    },
  };
}

/** What the service answers where PostgreSQL or Redis was not done in time. */
const notStored = /problem:(event-log|reports)-unavailable/;

/**
 * Whether the service refused it because it could not be stored, in a time in which the machine stood still. Everything else is a
 * failure whatever the machine does, also a 503 of the edge: that stands for a connection that broke.
 */
export const isOfStall = ({ status, at, ms, why }: Refusal, stalls: readonly Stall[]): boolean =>
  status === 503 && notStored.test(why) && stalls.some(({ from, to }) => from < at + ms && at < to);

/** Of all requests at most so many are put down to the machine, and that few always: a stack that refuses more has a fault of its own. */
const MOST_SHARE = 0.01;
const FEW = 3;

/**
 * Pure: the failures that count, and those that the machine explains.
 *
 * @param sent how many requests there were
 */
export function apart<F extends Refusal>(
  failures: readonly F[],
  stalls: readonly Stall[],
  sent: number,
): { readonly counted: readonly F[]; readonly ofStalls: readonly F[] } {
  const ofStalls = failures.filter((failure) => isOfStall(failure, stalls));
  if (ofStalls.length > Math.max(FEW, sent * MOST_SHARE)) return { counted: failures, ofStalls: [] };
  return { counted: failures.filter((failure) => !ofStalls.includes(failure)), ofStalls };
}

/** As a line for a person. */
export const tellStall = ({ from, to, what }: Stall): string =>
  `the machine ${what} for ${((to - from) / 1000).toFixed(1)} s at ${new Date(from).toISOString()}`;
