/**
 * Notices when the machine stands still: its disk answers nobody, or nobody gets a processor. What the stack acknowledges only once
 * it is on the disk is refused with 503 then, which is what it promises. A test that counted that would blame the stack for whatever
 * else the machine does.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";

/** A time in which the machine stood still, in Unix milliseconds. */
export interface Stall {
  readonly from: number;
  readonly to: number;
}

export interface StallWatch {
  /** The process that looks. */
  readonly pid: number;
  /** Ends it. @throws Error if it ended before. */
  stop(): Promise<readonly Stall[]>;
}

/** What is known of a request that failed: its status, 0 without an answer, and when, in Unix milliseconds. */
interface Refusal {
  readonly status: number;
  readonly at: number;
  readonly ms: number;
}

/** Looks ten times a second, in a process of its own that does nothing else, and resolves once it does. */
export async function watchStalls(): Promise<StallWatch> {
  const child = fork(join(import.meta.dirname, "stalls-process.ts"));
  await once(child, "message");
  // A test that failed before it asked is over all the same.
  child.unref();
  child.channel?.unref();
  return {
    pid: child.pid ?? 0,
    async stop() {
      const told = once(child, "message") as Promise<[Stall[]]>;
      const early = once(child, "exit").then(() => {
        throw new Error("what looks whether the machine stands still has ended");
      });
      // It ends after its answer too.
      early.catch(() => undefined);
      child.ref();
      child.channel?.ref();
      if (child.connected) child.send("stop");
      const [stalls] = await Promise.race([told, early]);
      return stalls;
    },
  };
}

/** Whether it is a 503 of a time in which the machine stood still. Everything else is a failure whatever the machine does. */
export const isOfStall = ({ status, at, ms }: Refusal, stalls: readonly Stall[]): boolean =>
  status === 503 && stalls.some(({ from, to }) => from < at + ms && at < to);

/** As a line for a person. */
export const tellStall = ({ from, to }: Stall): string =>
  `the machine stood still for ${((to - from) / 1000).toFixed(1)} s at ${new Date(from).toISOString()}`;
