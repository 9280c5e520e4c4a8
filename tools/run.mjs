/**
 * The first step of every npm script: `node tools/run.mjs SCRIPT.ts ARGS…`.
 *
 * Makes sure that node_modules is what package-lock.json says and then runs SCRIPT on the Node of the npm package
 * `node`, whatever Node the machine has. Plain JavaScript for Node >= 16 and without any import from node_modules,
 * because it runs before they exist. What it imports is the same.
 */
import { spawn, spawnSync } from "node:child_process";
import { readFileSync, realpathSync, statSync } from "node:fs";
import { constants } from "node:os";
import { delimiter, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { forwardSignals } from "./host/child-signals.mjs";
import { writeWhole } from "./host/file.mjs";
import { BootstrapError, ensurePackages, stamp } from "./packages.mjs";

/** The first Node that runs TypeScript as it is. */
const NEEDED_NODE = 24;
/** Most of the compiled code is that of the packages, so it goes when they go. */
const COMPILED = join("node_modules", ".cache", "compiled");

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
  if (args[0] === "--stamp") return stamp(root);
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
