/**
 * Who is working on a stack. Two locks: Pulumi's own, which every update takes (also a plain `pulumi up`), and one
 * of ours around the whole command, because clean-up before an update must not meet another run's update.
 */
import { chmodSync, mkdirSync, readdirSync, rmSync, statSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import { judge, readLock, thisMachine, type Holder, type Machine } from "../../tools/host/lock-file.mjs";
import {
  LockHeldError,
  takeLock,
  waitWhileHeld,
  type Waiting as HostWaiting,
} from "../../tools/host/lock.mjs";
import { commandOf } from "../engine/processes.ts";
import { exit, OpsError } from "../terminal/errors.ts";
import { ago } from "../terminal/output.ts";
import type { Backend } from "./backend.ts";

/** "pid 17 (pulumi up --yes) of root on host, since 3 min ago". */
export function holderOf(lock: Holder, machine: Machine = thisMachine): string {
  const command = lock.command ?? (lock.hostname === machine.hostname ? commandOf(lock.pid) : undefined);
  const who = lock.username ? ` of ${lock.username}` : "";
  const since = `${lock.since.toISOString().slice(0, 19).replace("T", " ")} UTC (${ago(lock.since)})`;
  return `pid ${lock.pid}${command ? ` (${command})` : ""}${who} on ${lock.hostname}, since ${since}`;
}

/** Pulumi's locks on a stack in a file backend. Other backends do not show theirs. */
export function pulumiLocks(backendDir: string, project: string, stack: string): Holder[] {
  const folder = join(backendDir, ".pulumi", "locks", "organization", project, stack);
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch {
    return [];
  }
  return names
    .filter((name) => name.endsWith(".json"))
    .map((name) => readLock(join(folder, name)))
    .filter((lock) => lock !== undefined);
}

export interface Waiting {
  /** Seconds until the command gives up. */
  readonly seconds: number;
  readonly say: (line: string) => void;
}

/** How the host waits, in ops' words. */
function hostWaiting(stack: string, { seconds, say }: Waiting): HostWaiting {
  return {
    waitMs: seconds * 1000,
    onWait: (lock) =>
      say(`Stack ${stack} is locked by ${holderOf(lock)}; waiting for it, at most ${seconds} s.`),
  };
}

/** @throws OpsError where a lock was waited for in vain */
async function orSayWho<T>(stack: string, { seconds }: Waiting, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof LockHeldError)) throw error;
    const { holder } = error;
    throw new OpsError(
      `Stack ${stack} is locked by ${holderOf(holder)}.`,
      (judge(holder) === "foreign"
        ? `If that run is over (it was on another machine, so nothing here can tell), remove its lock: rm ${holder.file}`
        : "Wait for that run to end and run the command again.") +
        `\n  Waited ${seconds} s; --lock-wait SECONDS says how long.`,
      exit.locked,
    );
  }
}

/** Waits for Pulumi's lock and removes those whose process is gone. @returns what was removed */
export async function clearPulumiLocks(
  backendDir: string,
  project: string,
  stack: string,
  waiting: Waiting,
): Promise<Holder[]> {
  const removed: Holder[] = [];
  const look = (): Holder | undefined => {
    for (const lock of pulumiLocks(backendDir, project, stack)) {
      if (judge(lock) !== "stale") return lock;
      rmSync(lock.file, { force: true });
      rmSync(`${lock.file}.attrs`, { force: true });
      removed.push(lock);
      waiting.say(
        `An earlier run (${holderOf(lock)}) ended without removing its lock on stack ${stack}; the lock is removed.`,
      );
    }
    return undefined;
  };
  await orSayWho(stack, waiting, () => waitWhileHeld(look, hostWaiting(stack, waiting)));
  return removed;
}

/** Pure: where our own locks are: beside the state where that is a folder, so that every checkout that shares it sees them. */
export const lockFolder = ({ folder, stateDir }: Backend): string => folder ?? stateDir;

const LOCKS = "locks";

const ownLockFile = (folder: string, stack: string): string => join(folder, LOCKS, `${stack}.json`);

/** A state of this checkout is its user's alone. Whoever may write into a shared one has to be able to take its locks. */
function makeLocks({ folder, stateDir }: Backend): void {
  if (folder === undefined || folder === stateDir) {
    mkdirSync(join(stateDir, LOCKS), { recursive: true, mode: 0o700 });
    return;
  }
  const locks = join(folder, LOCKS);
  // The mode that mkdir is given would lose what the umask takes away.
  if (mkdirSync(locks, { recursive: true }) !== undefined) chmodSync(locks, statSync(folder).mode & 0o7777);
}

/** Our lock as it is now, for `status`. */
export const ownLock = (folder: string, stack: string): Holder | undefined =>
  readLock(ownLockFile(folder, stack));

/** Takes our lock, waiting for whoever holds it. @returns what releases it */
export async function takeOwnLock(
  backend: Backend,
  stack: string,
  command: string,
  waiting: Waiting,
): Promise<() => void> {
  makeLocks(backend);
  const file = ownLockFile(lockFolder(backend), stack);
  const { release } = await orSayWho(stack, waiting, () =>
    takeLock(file, {
      ...hostWaiting(stack, waiting),
      about: { username: userInfo().username, command },
      onTakeOver: (former) =>
        waiting.say(
          `An earlier run${former ? ` (${holderOf(former)})` : ""} was interrupted; going on from there.`,
        ),
    }),
  );
  return release;
}
