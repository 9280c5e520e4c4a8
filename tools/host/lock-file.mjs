/**
 * What a lock's file says, and what that is worth. Plain JavaScript without packages, because tools/run.mjs needs it
 * before node_modules exist.
 */
// @ts-check
import { readFileSync, statSync } from "node:fs";
import { hostname } from "node:os";
import { isAlive, startedAt } from "./process.mjs";

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
 * How a holder is judged. The tests replace it.
 * @typedef {object} Machine
 * @property {string} hostname
 * @property {(pid: number, start?: string) => boolean} isAlive
 * @property {(pid: number) => Date | undefined} startedAt
 */

/** @type {Machine} */
export const thisMachine = { hostname: hostname(), isAlive, startedAt };

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
 * When the file was changed last. Undefined when it is not there.
 * @param {string} file
 */
export function modified(file) {
  return statSync(file, { throwIfNoEntry: false })?.mtime;
}

/**
 * Undefined when the file is not there.
 * @param {string} file
 */
export function readText(file) {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** @param {unknown} error */
export function codeOf(error) {
  return error instanceof Error && "code" in error ? error.code : undefined;
}
