/**
 * Where programs lie. Plain JavaScript without packages, because tools/run.mjs needs it before node_modules exist.
 */
// @ts-check
import { accessSync, constants, statSync } from "node:fs";
import { delimiter, isAbsolute, join, sep } from "node:path";

/** @typedef {Readonly<Record<string, string | undefined>>} Environment */

/** Where an administrator's programs lie: an ordinary PATH leaves these out. */
const SYSTEM_FOLDERS = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/**
 * All programs of that name on PATH, in its order, except those below one of the given folders.
 * @param {string} name
 * @param {Environment} env
 * @param {readonly string[]} [except]
 */
export function findOnPath(name, env, except = []) {
  return findIn((env["PATH"] ?? "").split(delimiter), name, except);
}

/**
 * The full path of a program on PATH or in the system's own folders.
 * @param {string} name
 * @param {Environment} env
 * @returns {string | undefined}
 */
export function findProgram(name, env) {
  return findIn(systemPath(env).split(delimiter), name)[0];
}

/**
 * PATH with the system's own folders at its end, for what calls iptables, mount and the like.
 * @param {Environment} env
 */
export function systemPath(env) {
  const folders = process.platform === "win32" ? [] : SYSTEM_FOLDERS;
  return [env["PATH"] ?? "", ...folders].filter((part) => part !== "").join(delimiter);
}

/**
 * @param {readonly string[]} folders
 * @param {string} name
 * @param {readonly string[]} [except]
 */
function findIn(folders, name, except = []) {
  const file = process.platform === "win32" ? `${name}.exe` : name;
  /** @param {string} folder */
  const isExcepted = (folder) => except.some((one) => `${folder}${sep}`.startsWith(`${one}${sep}`));
  return folders
    .filter((folder) => isAbsolute(folder) && !isExcepted(folder))
    .map((folder) => join(folder, file))
    .filter(isExecutable);
}

/** @param {string} path */
export function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
