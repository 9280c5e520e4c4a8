/**
 * The first step of every npm script: `node tools/run.mjs SCRIPT.ts ARGS…`.
 *
 * Makes sure that node_modules is what package-lock.json says and then runs SCRIPT on the Node of the npm package
 * `node`, whatever Node the machine has. Plain JavaScript for Node >= 16 and without any import from node_modules,
 * because it runs before they exist. What it imports from host/ is the same.
 */
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, realpathSync, rmSync, statSync } from "node:fs";
import { constants } from "node:os";
import { delimiter, dirname, join, posix, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { writeWhole } from "./host/file.mjs";
import { takeLock } from "./host/lock.mjs";
import { findOnPath } from "./host/path.mjs";

/** The first Node that runs TypeScript as it is. */
export const NEEDED_NODE = 24;
/** Says that node_modules is complete. It is inside, so that it goes when the folder is removed. */
const STAMP = join("node_modules", ".omniai-stamp");
/** Most of the compiled code is that of the packages, so it goes when they go. */
const COMPILED = join("node_modules", ".cache", "compiled");

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
async function ensurePackages(root, mayInstall) {
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

function stamp(root, value) {
  writeWhole(join(root, STAMP), `${value}\n`);
}

/** The Node to run on. Its version is looked up once for each installation, and the answer kept in node_modules. */
function projectNode(root) {
  const link = join(root, "node_modules", ".bin", process.platform === "win32" ? "node.cmd" : "node");
  const blocked =
    `The npm package "node" has no working binary at ${link}.\n` +
    `  Its install script installs it; when npm blocks install scripts, allow this one:\n` +
    `  npm rebuild node --ignore-scripts=false   (or remove ignore-scripts from your .npmrc and run: npm ci)`;
  let binary;
  try {
    binary = realpathSync(link);
  } catch {
    throw new BootstrapError(blocked);
  }
  const { size, mtimeMs } = statSync(binary);
  const proof = `${binary} ${size} ${mtimeMs}`;
  const proofFile = join(root, "node_modules", ".omniai-node");
  try {
    if (readFileSync(proofFile, "utf8") === proof) return binary;
  } catch {
    // It has not been looked up yet.
  }
  const { stdout, status, error } = spawnSync(binary, ["--version"], { encoding: "utf8" });
  if (error || status !== 0)
    throw new BootstrapError(`${blocked}\n  (${error ? error.message : `exit ${status}`})`);
  const major = Number(/^v(\d+)\./.exec(stdout)?.[1] ?? 0);
  if (major < NEEDED_NODE) {
    throw new BootstrapError(
      `${link} is Node ${stdout.trim()}; this project needs ${NEEDED_NODE} or newer.\n  Run: npm ci`,
    );
  }
  writeWhole(proofFile, proof);
  return binary;
}

/**
 * Passes signals on to the child. Ctrl-C on a terminal reaches the whole process group, so the child gets it anyway
 * and it is not sent a second time. Without a terminal a SIGINT was sent to this process alone. @returns the undo
 */
function forwardSignals(child) {
  const onTerminal = Boolean(process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY);
  const handlers = new Map();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
    const fromTerminal = onTerminal && signal !== "SIGTERM";
    handlers.set(signal, () => {
      if (!fromTerminal) child.kill(signal);
    });
  }
  for (const [signal, handler] of handlers) process.on(signal, handler);
  return () => {
    for (const [signal, handler] of handlers) process.off(signal, handler);
  };
}

/** Runs the script as if it were this process. */
function run(root, node, args) {
  const bin = join(root, "node_modules", ".bin");
  // Programs that call `node` by its name (the language host, mocha) get the same Node.
  const PATH = [dirname(node), bin, process.env.PATH].filter(Boolean).join(delimiter);
  // Without it each Node of a deploy compiles Pulumi's packages again, and takes that time from the stack that serves on
  // the same machine. Node checks what it finds there, and does without where it cannot write.
  const NODE_COMPILE_CACHE = process.env.NODE_COMPILE_CACHE ?? join(root, COMPILED);
  const env = { ...process.env, PATH, NODE_COMPILE_CACHE };
  const child = spawn(node, args, { stdio: "inherit", env });
  const stop = forwardSignals(child);
  return new Promise((done, reject) => {
    child.on("error", reject);
    child.on("exit", (code, signal) => {
      stop();
      done(code ?? 128 + (constants.signals[signal] ?? 0));
    });
  });
}

async function main(root, args) {
  // The root package's postinstall calls this, so that an `npm ci` by hand counts too.
  if (args[0] === "--stamp") return stamp(root, wantedStamp(root));
  const [script, ...rest] = args;
  if (script === undefined || script.startsWith("-")) {
    throw new BootstrapError("Usage: node tools/run.mjs SCRIPT.ts ARGS…");
  }
  const ownArgs = rest.includes("--") ? rest.slice(0, rest.indexOf("--")) : rest;
  await ensurePackages(root, !ownArgs.includes("--no-install"));
  process.exitCode = await run(root, projectNode(root), [resolve(root, script), ...rest]);
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const root = dirname(dirname(fileURLToPath(import.meta.url)));
  main(root, process.argv.slice(2)).catch((error) => {
    const known = error instanceof BootstrapError;
    console.error(known && !process.env.OMNIAI_DEBUG ? error.message : error);
    process.exitCode = 1;
  });
}
