/**
 * Which processes run on this machine. A pid alone says little, because the system uses pids again: the start time
 * tells a process from a later one with the same pid. Plain JavaScript without packages, because tools/run.mjs needs it
 * before node_modules exist.
 */
// @ts-check
import { readFileSync } from "node:fs";

/**
 * @typedef {object} ProcessIdentity
 * @property {number} pid
 * @property {string} [start] When it started, in the kernel's clock ticks since boot. Undefined without /proc.
 */

/** @returns {ProcessIdentity} */
export function thisProcess() {
  return { pid: process.pid, start: startTimeOf(process.pid) };
}

/**
 * True while a process of this pid runs and, where its start is given, is still the same process. A process of another
 * user counts. A zombie does not: it has ended.
 * @param {number} pid
 * @param {string} [start]
 */
export function isAlive(pid, start) {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ESRCH") return false;
  }
  const stat = readText(`/proc/${pid}/stat`);
  if (stat === undefined) return true;
  const now = parseStartTime(stat);
  return now !== undefined && (start === undefined || start === now);
}

/**
 * When a process started, in the kernel's clock ticks since boot. Undefined when there is no such process.
 * @param {number} pid
 * @returns {string | undefined}
 */
export function startTimeOf(pid) {
  const stat = readText(`/proc/${pid}/stat`);
  return stat === undefined ? undefined : parseStartTime(stat);
}

/**
 * Field 22 of /proc/PID/stat; undefined for a zombie. The name in field 2 may contain spaces and brackets, so the fields
 * are counted from its end.
 * @param {string} stat
 * @returns {string | undefined}
 */
export function parseStartTime(stat) {
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields[0] === "Z" || fields[0] === "X" ? undefined : fields[19];
}

/**
 * When a process started, to about a second. Undefined without /proc.
 * @param {number} pid
 * @returns {Date | undefined}
 */
export function startedAt(pid) {
  const ticks = startTimeOf(pid);
  const boot = /^btime (\d+)$/m.exec(readText("/proc/stat") ?? "")?.[1];
  if (ticks === undefined || boot === undefined) return undefined;
  // Every Linux that Node runs on counts 100 ticks a second (USER_HZ).
  return new Date(Number(boot) * 1000 + Number(ticks) * 10);
}

/**
 * The short name of a process's program. Undefined when there is no such process.
 * @param {number} pid
 * @returns {string | undefined}
 */
export function nameOf(pid) {
  return startTimeOf(pid) === undefined ? undefined : readText(`/proc/${pid}/comm`)?.trim();
}

/** The id of this boot: start times of another boot mean nothing. */
export function bootId() {
  return readText("/proc/sys/kernel/random/boot_id")?.trim() ?? "";
}

/**
 * The pid that a pid file holds.
 * @param {string} path
 * @returns {number | undefined}
 */
export function readPidFile(path) {
  const pid = Number(readText(path)?.trim());
  return Number.isInteger(pid) && pid > 0 ? pid : undefined;
}

/**
 * @param {string} path
 * @returns {string | undefined}
 */
function readText(path) {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
