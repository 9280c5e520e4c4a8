/**
 * The first step of every npm script: `node tools/run.mjs SCRIPT.ts ARGS…`.
 *
 * Makes sure that node_modules is what package-lock.json says and then runs SCRIPT on the Node of the npm package
 * `node`, whatever Node the machine has. Plain JavaScript for Node >= 16 and without any import from node_modules,
 * because it runs before they exist.
 */
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

/** Node runs TypeScript as it is from here on. */
export const NEEDED_NODE = 24;
/** Inside node_modules, so that removing the folder removes the claim that it is complete. */
const STAMP = path.join("node_modules", ".omniai-stamp");
/** Beside the packages, whose code is most of it: it goes with them. */
const COMPILED = path.join("node_modules", ".cache", "compiled");

export class BootstrapError extends Error {}

/** The workspaces' folders as the root package.json lists them; this project uses no globs there. */
function manifests(root) {
  const { workspaces = [] } = JSON.parse(fs.readFileSync(path.join(root, "package.json"), "utf8"));
  return [
    "package-lock.json",
    "package.json",
    ...workspaces.map((folder) => path.posix.join(folder, "package.json")),
  ];
}

/** Stands for everything that `npm ci` reads. */
export function wantedStamp(root) {
  const hash = createHash("sha256");
  for (const file of manifests(root)) {
    const full = path.join(root, file);
    hash.update(`${file}\0${fs.existsSync(full) ? fs.readFileSync(full, "utf8") : ""}\0`);
  }
  return hash.digest("hex");
}

/** True when an `npm ci` for exactly these manifests ran to its end here. */
export function isInstalled(root) {
  try {
    return fs.readFileSync(path.join(root, STAMP), "utf8").trim() === wantedStamp(root);
  } catch {
    return false;
  }
}

const alive = (pid) => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
};

const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/**
 * One `npm ci` per checkout at a time: it begins by deleting node_modules, under the feet of another.
 * The lock lies outside of node_modules for the same reason.
 * @returns what releases it
 */
export async function lock(root, say = console.error) {
  const file = path.join(root, ".state", "npm-ci.lock");
  fs.mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
  const mine = `${os.hostname()} ${process.pid}`;
  for (let said = false; ;) {
    try {
      fs.writeFileSync(file, mine, { flag: "wx" });
      return {
        // npm outlives this process when only this one is killed, and goes on writing.
        alsoHeldBy: (pid) => fs.writeFileSync(file, `${mine} ${pid}`),
        release: () => fs.rmSync(file, { force: true }),
      };
    } catch (error) {
      if (error.code !== "EEXIST") throw error;
    }
    let holder;
    try {
      holder = fs.readFileSync(file, "utf8");
    } catch {
      continue;
    }
    const [host, ...pids] = holder.split(" ");
    if (holder !== "" && host === os.hostname() && !pids.some((pid) => alive(Number(pid)))) {
      say(`npm: a former installation (pid ${pids[0]}) was interrupted; its lock is removed.`);
      takeAway(file, holder);
      continue;
    }
    if (!said)
      say(
        `npm: pid ${pids.join(", ")} on ${host} is installing the npm packages; waiting for it (lock: ${file}).`,
      );
    said = true;
    await sleep(500);
  }
}

/** Removes a stale lock, unless another process took it in the meantime: then it is put back. */
function takeAway(file, holder) {
  const aside = `${file}.${process.pid}`;
  try {
    fs.renameSync(file, aside);
    if (fs.readFileSync(aside, "utf8") !== holder) fs.linkSync(aside, file);
  } catch {
    // Somebody else was faster; the loop looks again.
  } finally {
    fs.rmSync(aside, { force: true });
  }
}

/**
 * A Node that `npm ci` does not delete under its own feet: inside `npm run`, PATH begins with node_modules/.bin, so
 * this may run on the project's own.
 */
export function outsideNode(root, env = process.env, execPath = process.execPath) {
  const inside = path.join(root, "node_modules") + path.sep;
  const name = process.platform === "win32" ? "node.exe" : "node";
  const onPath = (env.PATH ?? "").split(path.delimiter).map((folder) => path.join(folder, name));
  return [execPath, env.npm_node_execpath, ...onPath].find((file) => {
    try {
      return file && !file.startsWith(inside) && !fs.realpathSync(file).startsWith(inside);
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
  return new Promise((resolve, reject) => {
    const child = spawn(command, [...prefix, "ci", "--no-audit", "--no-fund", "--loglevel=error"], {
      cwd: root,
      // Standard output belongs to the script (`--json`), so npm's goes to standard error.
      stdio: ["ignore", 2, 2],
      shell: process.platform === "win32" && prefix.length === 0,
      // Asked for explicitly, because NODE_ENV=production would leave development packages out.
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
      if (code === 0) return resolve();
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
    const state = fs.existsSync(path.join(root, "node_modules"))
      ? "do not fit package-lock.json"
      : "are missing";
    throw new BootstrapError(
      `The npm packages of this project ${state}, and --no-install forbids installing.\n  Run: npm ci`,
    );
  }
  const { alsoHeldBy, release } = await lock(root);
  try {
    if (isInstalled(root)) return;
    console.error("npm: installing the npm packages of this project into node_modules (npm ci).");
    const started = Date.now();
    const wanted = wantedStamp(root);
    // An interrupted `npm ci` must not find the former one's stamp.
    fs.rmSync(path.join(root, STAMP), { force: true });
    emptyModules(root);
    await npmCi(root, alsoHeldBy);
    stamp(root, wanted);
    console.error(`npm: installed in ${Math.round((Date.now() - started) / 1000)} s.`);
  } finally {
    release();
  }
}

/** npm ci does it too, but gives up where a process that was killed with it still writes (ENOTEMPTY). */
function emptyModules(root) {
  try {
    fs.rmSync(path.join(root, "node_modules"), {
      recursive: true,
      force: true,
      maxRetries: 10,
      retryDelay: 300,
    });
  } catch {
    // A mount point, for example: npm empties it.
  }
}

function stamp(root, value) {
  const file = path.join(root, STAMP);
  fs.writeFileSync(`${file}.new`, `${value}\n`);
  fs.renameSync(`${file}.new`, file);
}

/** The Node to run on. Its file is asked for its version only once per installation: the answer is kept beside it. */
function projectNode(root) {
  const link = path.join(root, "node_modules", ".bin", process.platform === "win32" ? "node.cmd" : "node");
  const blocked =
    `The npm package "node" has no working binary at ${link}.\n` +
    `  Its install script brings it; when npm blocks install scripts, allow this one:\n` +
    `  npm rebuild node --ignore-scripts=false   (or remove ignore-scripts from your .npmrc and run: npm ci)`;
  let binary;
  try {
    binary = fs.realpathSync(link);
  } catch {
    throw new BootstrapError(blocked);
  }
  const { size, mtimeMs } = fs.statSync(binary);
  const proof = `${binary} ${size} ${mtimeMs}`;
  const proofFile = path.join(root, "node_modules", ".omniai-node");
  try {
    if (fs.readFileSync(proofFile, "utf8") === proof) return binary;
  } catch {
    // Not asked yet.
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
  fs.writeFileSync(proofFile, proof);
  return binary;
}

/**
 * Hands signals on to the child. Ctrl-C on a terminal reaches the whole process group, the child too, so there it
 * is not sent a second time; where there is no terminal, whoever sends SIGINT means this process. @returns the undo
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
  const bin = path.join(root, "node_modules", ".bin");
  // Programs that this starts by the name `node` (language host, mocha) get the same one.
  const PATH = [path.dirname(node), bin, process.env.PATH].filter(Boolean).join(path.delimiter);
  // Each Node of a deploy would compile Pulumi's packages anew, in time that the stack beside it needs to serve. Node
  // checks what it finds there, and goes on without where it cannot write.
  const NODE_COMPILE_CACHE = process.env.NODE_COMPILE_CACHE ?? path.join(root, COMPILED);
  const env = { ...process.env, PATH, NODE_COMPILE_CACHE };
  const child = spawn(node, args, { stdio: "inherit", env });
  const stop = forwardSignals(child);
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", (code, signal) => {
      stop();
      resolve(code ?? 128 + (os.constants.signals[signal] ?? 0));
    });
  });
}

async function main(root, args) {
  // The root package's postinstall: `npm ci` by hand counts as much as one started here.
  if (args[0] === "--stamp") return stamp(root, wantedStamp(root));
  const [script, ...rest] = args;
  if (script === undefined || script.startsWith("-")) {
    throw new BootstrapError("Usage: node tools/run.mjs SCRIPT.ts ARGS…");
  }
  const ownArgs = rest.includes("--") ? rest.slice(0, rest.indexOf("--")) : rest;
  await ensurePackages(root, !ownArgs.includes("--no-install"));
  process.exitCode = await run(root, projectNode(root), [path.resolve(root, script), ...rest]);
}

if (process.argv[1] && fs.realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
  main(root, process.argv.slice(2)).catch((error) => {
    const known = error instanceof BootstrapError;
    console.error(known && !process.env.OMNIAI_DEBUG ? error.message : error);
    process.exitCode = 1;
  });
}
