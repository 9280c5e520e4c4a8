/**
 * One process at a time. A lock is a file that names its holder; the lock of a holder that is gone is taken over, and
 * the lock of a holder that lives never is. Plain JavaScript without packages, because tools/run.mjs needs it before
 * node_modules exist.
 */
// @ts-check
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { writeWhole } from "./file.mjs";
import { isAlive, startedAt, thisProcess } from "./process.mjs";

/**
 * @typedef {object} Holder What a lock file says. The locks of Pulumi have the same form.
 * @property {string} file
 * @property {number} pid 0 while the holder has not written its name yet.
 * @property {string} [start] The holder's start time, as process.mjs reads it.
 * @property {string} hostname
 * @property {Date} since
 * @property {string} [username]
 * @property {string} [command]
 * @property {readonly number[]} [also] Processes that hold the lock too, also when the holder is gone.
 */

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

/**
 * How a holder is judged. The tests replace it.
 * @typedef {object} Machine
 * @property {string} hostname
 * @property {(pid: number, start?: string) => boolean} isAlive
 * @property {(pid: number) => Date | undefined} startedAt
 */

/** @type {Machine} */
export const thisMachine = { hostname: hostname(), isAlive, startedAt };

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
 * `live`: the holder runs here. `stale`: it is gone, or a younger process has its pid. `foreign`: it is on another
 * machine, so nothing here can tell.
 * @param {Holder} holder
 * @param {Machine} [machine]
 * @returns {"live" | "stale" | "foreign"}
 */
export function judge(holder, machine = thisMachine) {
  if (holder.hostname !== machine.hostname) return "foreign";
  if (holder.also?.some((pid) => machine.isAlive(pid))) return "live";
  if (!machine.isAlive(holder.pid, holder.start)) return "stale";
  if (holder.start !== undefined) return "live";
  const started = machine.startedAt(holder.pid);
  // 2 s of slack, because start times are counted from a rounded boot time.
  return started !== undefined && started.getTime() > holder.since.getTime() + 2000 ? "stale" : "live";
}

/**
 * The holder that a lock file names. Undefined when there is no file, or one that does not name a holder.
 * @param {string} file
 * @returns {Holder | undefined}
 */
export function readLock(file) {
  const text = readText(file);
  return text === undefined ? undefined : parseLock(file, text, modified(file));
}

/**
 * Pure: the holder that a lock file's text names. Undefined for a text that is half written or something else.
 * @param {string} file
 * @param {string} text
 * @param {Date} [since] for a text without a time
 * @returns {Holder | undefined}
 */
export function parseLock(file, text, since) {
  /** @type {unknown} */
  let value;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  /** @type {Map<string, unknown>} */
  const fields = new Map(Object.entries(value));
  /** @param {string} name */
  const word = (name) => {
    const found = fields.get(name);
    return typeof found === "string" ? found : undefined;
  };
  const pid = fields.get("pid");
  const also = fields.get("also");
  const written = new Date(word("timestamp") ?? Number.NaN);
  const time = Number.isNaN(written.getTime()) ? since : written;
  if (typeof pid !== "number" || time === undefined) return undefined;
  return {
    file,
    pid,
    start: word("start"),
    hostname: word("hostname") ?? hostname(),
    since: time,
    username: word("username"),
    command: word("command"),
    also: Array.isArray(also) ? also.filter((one) => typeof one === "number") : undefined,
  };
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

/** @param {string} file */
function modified(file) {
  return statSync(file, { throwIfNoEntry: false })?.mtime;
}

/** @param {string} file */
function readText(file) {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** @param {unknown} error */
function codeOf(error) {
  return error instanceof Error && "code" in error ? error.code : undefined;
}
