/**
 * Makes node_modules be what package-lock.json says. Plain JavaScript for Node >= 16 and without any import from
 * node_modules, because it runs before they exist.
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { dirname, join, posix, sep } from "node:path";
import { forwardSignals } from "./host/child-signals.mjs";
import { writeWhole } from "./host/file.mjs";
import { takeLock } from "./host/lock.mjs";
import { findOnPath } from "./host/path.mjs";

/** Says that node_modules is complete. It is inside, so that it goes when the folder is removed. */
const STAMP = join("node_modules", ".omniai-stamp");

export class BootstrapError extends Error {}

/** The workspaces' folders as the root package.json lists them; this project uses no globs there. */
function manifests(root) {
  const { workspaces = [] } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  return [
    "package-lock.json",
    "package.json",
    ...workspaces.map((folder) => posix.join(folder, "package.json")),
  ];
}

/**
 * Stands for everything that `npm ci` reads.
 * @param {string} root
 */
export function wantedStamp(root) {
  const hash = createHash("sha256");
  for (const file of manifests(root)) {
    const full = join(root, file);
    hash.update(`${file}\0${existsSync(full) ? readFileSync(full, "utf8") : ""}\0`);
  }
  return hash.digest("hex");
}

/**
 * True when an `npm ci` for exactly these manifests ran to its end here.
 * @param {string} root
 */
export function isInstalled(root) {
  try {
    return readFileSync(join(root, STAMP), "utf8").trim() === wantedStamp(root);
  } catch {
    return false;
  }
}

/**
 * One `npm ci` per checkout at a time: it begins by deleting node_modules, which another one may be filling. For the
 * same reason the lock is outside of node_modules.
 * @param {string} root
 */
export function lockPackages(root, say = console.error) {
  const file = join(root, ".state", "npm-ci.lock");
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  return takeLock(file, {
    onWait: ({ pid, also = [], hostname }) =>
      say(
        `npm: pid ${[pid, ...also].join(", ")} on ${hostname} is installing the npm packages; waiting for it (lock: ${file}).`,
      ),
    onTakeOver: (former) =>
      say(
        `npm: an earlier installation${former ? ` (pid ${former.pid})` : ""} was interrupted; its lock is removed.`,
      ),
  });
}

/**
 * A Node that `npm ci` does not delete while it runs on it. Inside `npm run`, PATH begins with node_modules/.bin, so this
 * process may run on the project's own Node.
 * @param {string} root
 * @returns {string | undefined}
 */
export function outsideNode(root, env = process.env, execPath = process.execPath) {
  const inside = join(root, "node_modules") + sep;
  return [execPath, env.npm_node_execpath, ...findOnPath("node", env)].find((file) => {
    try {
      return file && !file.startsWith(inside) && !realpathSync(file).startsWith(inside);
    } catch {
      return false;
    }
  });
}

/** The npm that started this, on a Node outside of node_modules; else the one on PATH. */
function npmCommand(root) {
  const viaNpm = process.env.npm_execpath;
  const node = outsideNode(root);
  return viaNpm && node && /npm-cli\.c?js$/.test(viaNpm) ? [node, viaNpm] : ["npm"];
}

function npmCi(root, onPid) {
  const [command, ...prefix] = npmCommand(root);
  return new Promise((done, reject) => {
    const child = spawn(command, [...prefix, "ci", "--no-audit", "--no-fund", "--loglevel=error"], {
      cwd: root,
      // Standard output is the script's (`--json`), so npm's goes to standard error.
      stdio: ["ignore", 2, 2],
      shell: process.platform === "win32" && prefix.length === 0,
      // Without this, NODE_ENV=production would leave the development packages out.
      env: { ...process.env, npm_config_include: "dev" },
    });
    if (child.pid !== undefined) onPid(child.pid);
    const stop = forwardSignals(child);
    child.on("error", (error) => {
      stop();
      const hint =
        error.code === "ENOENT" ? "npm is not on PATH; install it (it comes with Node)." : error.message;
      reject(new BootstrapError(`npm ci could not start: ${hint}`));
    });
    child.on("exit", (code, signal) => {
      stop();
      if (code === 0) return done();
      const how = signal ? `was stopped by ${signal}` : `ended with code ${code}`;
      return reject(
        new BootstrapError(
          `npm ci ${how}; its messages are above. The next run starts it again from the beginning.`,
        ),
      );
    });
  });
}

/** Installs what is missing, or says why it may not. */
export async function ensurePackages(root, mayInstall) {
  if (isInstalled(root)) return;
  if (!mayInstall) {
    const state = existsSync(join(root, "node_modules")) ? "do not fit package-lock.json" : "are missing";
    throw new BootstrapError(
      `The npm packages of this project ${state}, and --no-install forbids installing.\n  Run: npm ci`,
    );
  }
  const lock = await lockPackages(root);
  try {
    if (isInstalled(root)) return;
    console.error("npm: installing the npm packages of this project into node_modules (npm ci).");
    const started = Date.now();
    const wanted = wantedStamp(root);
    // An `npm ci` that is interrupted must not leave the stamp of the one before.
    rmSync(join(root, STAMP), { force: true });
    emptyModules(root);
    // npm goes on writing when only this process is killed.
    await npmCi(root, lock.alsoHeldBy);
    stamp(root, wanted);
    console.error(`npm: installed in ${Math.round((Date.now() - started) / 1000)} s.`);
  } finally {
    lock.release();
  }
}

/** npm ci empties it too, but fails with ENOTEMPTY while a process of a killed `npm ci` still writes. */
function emptyModules(root) {
  try {
    rmSync(join(root, "node_modules"), {
      recursive: true,
      force: true,
      maxRetries: 10,
      retryDelay: 300,
    });
  } catch {
    // A mount point, for example, which npm empties by itself.
  }
}

/** Writes down that node_modules is what these manifests say. */
export function stamp(root, value = wantedStamp(root)) {
  writeWhole(join(root, STAMP), `${value}\n`);
}
