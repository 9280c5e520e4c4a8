/**
 * Waits for Pulumi's own lock on a stack. Only a file backend shows its locks beforehand; any other says so when a
 * command begins, before it has changed anything. Such a command is begun again until the other run has ended.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { ConcurrentUpdateError } from "@pulumi/pulumi/automation/errors.js";
import { commandStreams, exit, OpsError } from "../terminal/errors.ts";
import { npmRun } from "../terminal/npm-run.ts";
import type { Waiting } from "./locks.ts";
import type { RunnableCommand } from "./pulumi-command.ts";

/** How often a command is begun again, in ms: each time the CLI starts. */
const EVERY_MS = 5000;

/** Pure: who holds the lock, in the words of the backend: a bucket names the process, the service only that there is one. */
export function holdersIn(text: string): string {
  const holders = [...text.matchAll(/created by (\S+)@(\S+) \(pid (\d+)\) at (\S+)/g)].map(
    ([, user, host, pid, since]) => `pid ${pid} of ${user} on ${host}, since ${since}`,
  );
  return holders.length > 0 ? holders.join("; ") : "another update";
}

/** What the CLI says of a lock, which is said here in other words. */
const isAboutLock = (text: string): boolean =>
  /the stack is currently locked by|created by \S+@\S+ \(pid \d+\)|\[409\] Conflict: Another update/.test(
    text,
  );

export const isLocked = (error: unknown): error is ConcurrentUpdateError =>
  error instanceof ConcurrentUpdateError;

/** The error of who has waited in vain. */
export function stillLocked(stack: string, { seconds }: Waiting, error: ConcurrentUpdateError): OpsError {
  return new OpsError(
    `Stack ${stack} is locked by ${holdersIn(commandStreams(error.message).stderr)}.`,
    "Wait for that run to end and run the command again. If it is over and has left its lock behind (its machine was lost), " +
      `remove the lock: ${npmRun("stack", "dev", "unlock", stack)}\n  Waited ${seconds} s; --lock-wait SECONDS says how long.`,
    exit.locked,
    { cause: error },
  );
}

interface Patience {
  /** Ends the waiting. */
  readonly signal?: AbortSignal;
  readonly everyMs?: number;
}

/** Runs something that takes the lock, again and again while another run has it. @throws OpsError after the time to wait */
export async function whileLocked<T>(
  stack: string,
  waiting: Waiting,
  run: () => Promise<T>,
  { signal, everyMs = EVERY_MS }: Patience = {},
): Promise<T> {
  const end = performance.now() + waiting.seconds * 1000;
  for (let said = false; ; said = true) {
    try {
      return await run();
    } catch (error) {
      if (!isLocked(error)) throw error;
      if (performance.now() + everyMs > end) throw stillLocked(stack, waiting, error);
      if (!said) {
        const holders = holdersIn(commandStreams(error.message).stderr);
        waiting.say(`Stack ${stack} is locked by ${holders}; waiting for it, at most ${waiting.seconds} s.`);
      }
      await sleep(everyMs, undefined, { signal });
    }
  }
}

/**
 * A command that waits for the lock. Not for `stack import`: what it would write is older than what the other run has
 * written by then.
 */
export const patient = (
  command: RunnableCommand,
  stack: string,
  waiting: Waiting,
  everyMs?: number,
): RunnableCommand => ({
  ...command,
  run: (args, cwd, env, onOutput, onError, signal) => {
    const tell = onError && ((text: string): void => void (isAboutLock(text) || onError(text)));
    const once = () => command.run(args, cwd, env, onOutput, tell, signal);
    return args[0] === "stack" && args[1] === "import"
      ? once()
      : whileLocked(stack, waiting, once, { signal, everyMs });
  },
});
