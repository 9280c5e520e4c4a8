/**
 * One process at a time. A lock is a file that names its holder; the lock of a holder that is gone is taken over, and
 * the lock of a holder that lives never is. Plain JavaScript without packages, because tools/run.mjs needs it before
 * node_modules exist.
 */
// @ts-check
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { writeWhole } from "./file.mjs";
import { codeOf, judge, modified, readLock, readText } from "./lock-file.mjs";
import { thisProcess } from "./process.mjs";

/** @typedef {import("./lock-file.mjs").Holder} Holder */

/**
 * @typedef {object} Waiting
 * @property {number} [waitMs] Default: as long as it takes.
 * @property {number} [pollMs] How often to look again. Default: 250.
 * @property {(holder: Holder) => void} [onWait] Called once for each lock file that is waited for.
 */

/**
 * @typedef {object} OwnOptions
 * @property {(former: Holder | undefined) => void} [onTakeOver] Called when the lock of a holder that is gone was removed.
 * @property {{ readonly username?: string, readonly command?: string }} [about] What else the file says.
 */

/**
 * @typedef {object} Lock
 * @property {(pid: number) => void} alsoHeldBy Keeps the lock held while that process lives too.
 * @property {() => void} release
 */

/** A holder writes its name at once: a file without one is nobody's after so long. */
const UNNAMED_MS = 10_000;

/** The time to wait is over, and the lock is still held. */
export class LockHeldError extends Error {
  /** @param {Holder} holder */
  constructor(holder) {
    super(`pid ${holder.pid} on ${holder.hostname} holds the lock ${holder.file}`);
    this.name = "LockHeldError";
    this.holder = holder;
  }
}

/**
 * Runs `run` while this process alone holds the lock.
 * @template T
 * @param {string} file
 * @param {() => Promise<T>} run
 * @param {Waiting & OwnOptions} [options]
 * @returns {Promise<T>}
 */
export async function withLock(file, run, options) {
  const lock = await takeLock(file, options);
  try {
    return await run();
  } finally {
    lock.release();
  }
}

/**
 * Takes the lock, and waits while another process holds it.
 * @param {string} file
 * @param {Waiting & OwnOptions} [options]
 * @returns {Promise<Lock>}
 * @throws {LockHeldError} when `waitMs` is over
 */
export async function takeLock(file, options = {}) {
  mkdirSync(dirname(file), { recursive: true });
  const facts = {
    ...thisProcess(),
    hostname: hostname(),
    timestamp: new Date().toISOString(),
    ...options.about,
  };
  let text = JSON.stringify(facts);
  const look = () => {
    if (create(file, text)) return undefined;
    const holder = readLock(file);
    if (isNobodys(file, holder) && removeStale(file)) {
      options.onTakeOver?.(holder);
      if (create(file, text)) return undefined;
    }
    return readLock(file) ?? { file, pid: 0, hostname: hostname(), since: new Date() };
  };
  await waitWhileHeld(look, options);
  return {
    alsoHeldBy(pid) {
      text = JSON.stringify({ ...facts, also: [pid] });
      writeWhole(file, text);
    },
    release() {
      if (readText(file) === text) rmSync(file, { force: true });
    },
  };
}

/**
 * Waits while `look` finds a holder.
 * @param {() => Holder | undefined} look
 * @param {Waiting} [options]
 * @returns {Promise<void>}
 * @throws {LockHeldError} when `waitMs` is over
 */
export async function waitWhileHeld(look, { waitMs = Infinity, pollMs = 250, onWait } = {}) {
  const end = Date.now() + waitMs;
  let told = "";
  for (;;) {
    const holder = look();
    if (holder === undefined) return;
    if (Date.now() >= end) throw new LockHeldError(holder);
    if (holder.pid !== 0 && holder.file !== told) {
      told = holder.file;
      onWait?.(holder);
    }
    await sleep(pollMs);
  }
}

/**
 * @param {string} file
 * @param {string} text
 */
function create(file, text) {
  try {
    writeFileSync(file, text, { flag: "wx" });
    return true;
  } catch (error) {
    if (codeOf(error) === "EEXIST") return false;
    throw error;
  }
}

/**
 * @param {string} file
 * @param {Holder | undefined} holder
 */
function isNobodys(file, holder) {
  return holder === undefined ? isOld(file) : judge(holder) === "stale";
}

/**
 * Two that both find a stale lock must not both remove the file: the second would remove the first one's new lock. So
 * a lock is removed under a lock of its own, after a second look. @returns whether this process removed it
 * @param {string} file
 */
function removeStale(file) {
  const removing = `${file}.removing`;
  if (isOld(removing)) rmSync(removing, { force: true });
  if (!create(removing, "")) return false;
  try {
    const isStale = isNobodys(file, readLock(file));
    if (isStale) rmSync(file, { force: true });
    return isStale;
  } finally {
    rmSync(removing, { force: true });
  }
}

/** @param {string} file */
function isOld(file) {
  const time = modified(file);
  // A time that is far in the future is wrong, and would keep the file young for ever.
  return time !== undefined && Math.abs(Date.now() - time.getTime()) > UNNAMED_MS;
}
