/**
 * Who is working on a stack. Two locks: Pulumi's own, which every update takes (also a plain `pulumi up`), and one
 * of ours around the whole command, because clean-up before an update must not meet another run's update.
 */
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { EXIT, OpsError } from "../terminal/errors.ts";
import { commandOf, isAlive, startOf } from "../engine/processes.ts";
import { ago } from "../terminal/output.ts";

/** What a lock file says; Pulumi's own has the same fields without `command`. */
export interface Lock {
  readonly file: string;
  readonly pid: number;
  readonly hostname: string;
  readonly username?: string;
  readonly since: Date;
  readonly command?: string;
}

/** How a lock is judged: seams for the tests. */
export interface Machine {
  readonly hostname: string;
  readonly isAlive: (pid: number) => boolean;
  readonly startOf: (pid: number) => Date | undefined;
}

export const thisMachine: Machine = { hostname: os.hostname(), isAlive, startOf };

/**
 * `live`: its process runs here. `stale`: its process is gone, or its id belongs to a younger process.
 * `foreign`: made on another machine, so nothing here can tell.
 */
export function judge(lock: Lock, machine: Machine = thisMachine): "live" | "stale" | "foreign" {
  if (lock.hostname !== machine.hostname) return "foreign";
  if (!machine.isAlive(lock.pid)) return "stale";
  const started = machine.startOf(lock.pid);
  // 2 s of slack: the boot time that start times count from is rounded.
  if (started !== undefined && started.getTime() > lock.since.getTime() + 2000) return "stale";
  return "live";
}

/** Pure: a lock out of its file's text; undefined when it is half-written or something else. */
export function parseLock(file: string, text: string): Lock | undefined {
  try {
    const value = JSON.parse(text) as Record<string, unknown>;
    const since = new Date(String(value["timestamp"]));
    if (typeof value["pid"] !== "number" || Number.isNaN(since.getTime())) return undefined;
    const word = (key: string): string | undefined =>
      typeof value[key] === "string" ? value[key] : undefined;
    return {
      file,
      pid: value["pid"],
      hostname: word("hostname") ?? "",
      username: word("username"),
      since,
      command: word("command"),
    };
  } catch {
    return undefined;
  }
}

function readLock(file: string): Lock | undefined {
  try {
    return parseLock(file, fs.readFileSync(file, "utf8"));
  } catch {
    return undefined;
  }
}

/** "pid 17 (pulumi up --yes) of root on host, since 3 min ago". */
export function holderOf(lock: Lock, machine: Machine = thisMachine): string {
  const command = lock.command ?? (lock.hostname === machine.hostname ? commandOf(lock.pid) : undefined);
  const who = lock.username ? ` of ${lock.username}` : "";
  const since = `${lock.since.toISOString().slice(0, 19).replace("T", " ")} UTC (${ago(lock.since)})`;
  return `pid ${lock.pid}${command ? ` (${command})` : ""}${who} on ${lock.hostname}, since ${since}`;
}

/** Pulumi's locks on a stack in a file backend. Other backends keep theirs to themselves. */
export function pulumiLocks(backendDir: string, project: string, stack: string): Lock[] {
  const folder = path.join(backendDir, ".pulumi", "locks", "organization", project, stack);
  let names: string[];
  try {
    names = fs.readdirSync(folder);
  } catch {
    return [];
  }
  return names
    .filter((name) => name.endsWith(".json"))
    .map((name) => readLock(path.join(folder, name)))
    .filter((lock) => lock !== undefined);
}

export interface Waiting {
  /** Seconds until it is given up. */
  readonly seconds: number;
  readonly say: (line: string) => void;
  /** What runs while waiting, for the message of an interruption. */
  readonly sleep?: (milliseconds: number) => Promise<void>;
}

const pause = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Waits while `look` finds a holder, and says who it is, once. @throws OpsError when it takes too long */
async function waitWhile(stack: string, look: () => Lock | undefined, waiting: Waiting): Promise<void> {
  const until = Date.now() + waiting.seconds * 1000;
  let said = "";
  for (;;) {
    const lock = look();
    if (lock === undefined) return;
    if (Date.now() >= until) {
      const foreign = judge(lock) === "foreign";
      throw new OpsError(
        `Stack ${stack} is locked by ${holderOf(lock)}.`,
        (foreign
          ? `If that run is over (it was on another machine, so nothing here can tell), remove its lock: rm ${lock.file}`
          : "Wait for that run to end and run the command again.") +
          `\n  Waited ${waiting.seconds} s; --lock-wait SECONDS says how long.`,
        EXIT.locked,
      );
    }
    if (said !== lock.file) {
      waiting.say(
        `Stack ${stack} is locked by ${holderOf(lock)}; waiting for it, at most ${waiting.seconds} s.`,
      );
    }
    said = lock.file;
    await (waiting.sleep ?? pause)(500);
  }
}

/** Waits for Pulumi's lock and removes those whose process is gone. @returns what was removed */
export async function clearPulumiLocks(
  backendDir: string,
  project: string,
  stack: string,
  waiting: Waiting,
): Promise<Lock[]> {
  const removed: Lock[] = [];
  const look = (): Lock | undefined => {
    for (const lock of pulumiLocks(backendDir, project, stack)) {
      if (judge(lock) !== "stale") return lock;
      fs.rmSync(lock.file, { force: true });
      fs.rmSync(`${lock.file}.attrs`, { force: true });
      removed.push(lock);
      waiting.say(
        `A former run (${holderOf(lock)}) ended without removing its lock on stack ${stack}; the lock is removed.`,
      );
    }
    return undefined;
  };
  await waitWhile(stack, look, waiting);
  return removed;
}

export const ownLockFile = (stateDir: string, stack: string): string =>
  path.join(stateDir, "locks", `${stack}.json`);

/** Our lock as it is now, for `status`. */
export const ownLock = (stateDir: string, stack: string): Lock | undefined =>
  readLock(ownLockFile(stateDir, stack));

/** Takes our lock, waiting for whoever has it. @returns what gives it back */
export async function takeOwnLock(
  stateDir: string,
  stack: string,
  command: string,
  waiting: Waiting,
): Promise<() => void> {
  const file = ownLockFile(stateDir, stack);
  fs.mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
  const content = JSON.stringify({
    pid: process.pid,
    username: os.userInfo().username,
    hostname: os.hostname(),
    timestamp: new Date().toISOString(),
    command,
  });
  // Written aside and linked, so that nobody ever reads half a lock.
  const aside = `${file}.${process.pid}`;
  fs.writeFileSync(aside, content, { mode: 0o600 });
  let taken = false;
  try {
    await waitWhile(
      stack,
      () => {
        taken = link(aside, file);
        if (taken) return undefined;
        const lock = readLock(file);
        if (lock !== undefined && judge(lock) === "stale") {
          waiting.say(`A former run (${holderOf(lock)}) was interrupted; going on from there.`);
          removeIfSame(file, lock);
          taken = link(aside, file);
          return taken ? undefined : (readLock(file) ?? lock);
        }
        return lock ?? { file, pid: 0, hostname: os.hostname(), since: new Date() };
      },
      waiting,
    );
  } finally {
    fs.rmSync(aside, { force: true });
  }
  return () => {
    if (readLock(file)?.pid === process.pid) fs.rmSync(file, { force: true });
  };
}

function link(from: string, to: string): boolean {
  try {
    fs.linkSync(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

/** Removes a stale lock. When another run replaced it in the meantime, that run's lock is put back. */
function removeIfSame(file: string, lock: Lock): void {
  const aside = `${file}.stale.${process.pid}`;
  try {
    fs.renameSync(file, aside);
  } catch {
    return;
  }
  const now = readLock(aside);
  if (now !== undefined && (now.pid !== lock.pid || now.since.getTime() !== lock.since.getTime()))
    link(aside, file);
  fs.rmSync(aside, { force: true });
}
