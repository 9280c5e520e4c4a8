/** Starts an engine and waits until it answers. */
import { spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync, renameSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { LockHeldError, takeLock, type Lock } from "../../host/lock.mjs";
import { ToolchainError, type ToolchainContext } from "../../host/part.ts";
import { findProgram, systemPath } from "../../host/path.mjs";
import { isAlive, readPidFile } from "../../host/process.mjs";
import { indent, run } from "../../host/run.ts";
import { askEngine } from "./api.ts";
import { startCommand } from "./init-system.ts";
import type { EnginePlace } from "./place.ts";
import { recordOf, removeRecord, writeRecord, type Starter } from "./record.ts";
import { clearStale } from "./stale.ts";

const READY_MS = 90_000;
const LOG_LIMIT_BYTES = 10 * 1024 * 1024;

/** Starts the engine without an init system: detached and in its own session, so that no Ctrl-C reaches it. */
export async function startDirect(
  context: ToolchainContext,
  place: EnginePlace,
  readyMs = READY_MS,
): Promise<void> {
  mkdirSync(dirname(place.recordFile), { recursive: true });
  // One start at a time: of two that start an engine each, one would fail.
  const lock = await lockStart(context, `${place.recordFile}.starting`, readyMs);
  try {
    // Another run may have started the engine while this one waited for the lock.
    if ((await askEngine(place.host, context.env)).reached) return;
    const running = await clearStale(place, (line) => context.report.say(line));
    await context.report.step(
      `Starting the Docker engine at ${place.host} (log: ${place.logFile})`,
      async (progress) => {
        if (running === undefined) await launch(context, place, readyMs, progress);
        else await waitForRunning(context, place, running, readyMs, progress);
      },
    );
  } finally {
    lock.release();
  }
}

/** Lets the machine's init system start the engine. */
export async function startByInit(
  context: ToolchainContext,
  starter: Exclude<Starter, "direct">,
  place: EnginePlace,
): Promise<void> {
  const [program, ...args] = startCommand(starter);
  await context.report.step(
    `Starting the Docker engine: ${[program, ...args].join(" ")}`,
    async (progress) => {
      const result = await run(program, args, {
        env: { ...context.env, PATH: systemPath(context.env) },
        onLine: progress,
        timeoutMs: READY_MS,
      });
      if (result.code === 0 && (await answersWithin(context, place.host, READY_MS, () => true))) return;
      const log =
        starter === "systemd"
          ? (await run("journalctl", ["-u", "docker", "-n", "15", "--no-pager"])).tail
          : [];
      throw new ToolchainError(
        `The Docker engine did not start with "${[program, ...args].join(" ")}":\n${indent([...result.tail, ...log])}`,
        "Correct what these lines name, start the engine with that command, and run this again.",
      );
    },
  );
  const pid = readPidFile(place.pidFile);
  const record = pid === undefined ? undefined : recordOf(pid, place.host, starter);
  if (record) writeRecord(place.recordFile, record);
}

async function launch(
  context: ToolchainContext,
  place: EnginePlace,
  readyMs: number,
  progress: (line: string) => void,
): Promise<void> {
  const dockerd = findProgram("dockerd", context.env);
  if (dockerd === undefined) {
    throw new ToolchainError(
      "The program of the Docker engine, dockerd, is not on this machine.",
      "Install the package docker.io, and run this again.",
    );
  }
  keepLogSmall(place.logFile);
  const log = openSync(place.logFile, "a");
  // Containers inherit the engine's limits, and many connections need many open files. exec keeps the pid.
  const limits = 'ulimit -n 1048576 2>/dev/null || ulimit -n "$(ulimit -H -n)"; exec "$0" "$@"';
  const child = spawn("/bin/sh", ["-c", limits, ...(place.within ?? []), dockerd, ...place.flags], {
    detached: true,
    cwd: "/",
    env: daemonEnvironment(context.env),
    stdio: ["ignore", log, log],
  });
  closeSync(log);
  let ended: string | undefined;
  child.on("error", (error) => (ended = error.message));
  child.on("exit", (code, signal) => (ended = `it ended with ${signal ?? `exit code ${String(code)}`}`));
  child.unref();

  // Recorded at once, so that the engine is known as started here also when this run is interrupted.
  const record =
    child.pid === undefined ? undefined : recordOf(child.pid, place.host, "direct", place.logFile);
  if (record) writeRecord(place.recordFile, record);
  const ready = await answersWithin(context, place.host, readyMs, () => {
    const line = lastLines(place.logFile, 1)[0];
    if (line !== undefined) progress(line);
    return ended === undefined;
  });
  if (ready) return;

  if (ended === undefined && child.pid !== undefined) process.kill(child.pid, "SIGTERM");
  removeRecord(place.recordFile);
  throw new ToolchainError(
    `The Docker engine does not start: ${ended ?? `no answer at ${place.host} within ${readyMs / 1000} s, so it was stopped again`}. ` +
      `The last lines of ${place.logFile}:\n${indent(lastLines(place.logFile, 12))}`,
    "Correct what these lines name and run this again.",
  );
}

/** The process of another engine runs and does not answer: it is still starting, or it hangs. It must not be ended here. */
async function waitForRunning(
  context: ToolchainContext,
  place: EnginePlace,
  pid: number,
  readyMs: number,
  progress: (line: string) => void,
): Promise<void> {
  progress(`a Docker engine already runs with pid ${pid}; waiting for its answer`);
  if (await answersWithin(context, place.host, readyMs, () => isAlive(pid))) return;
  throw new ToolchainError(
    `A Docker engine with pid ${pid} (${place.pidFile}) runs, but does not answer at ${place.host}.`,
    `Its log may say why; to end it: kill ${pid}. If it listens elsewhere, set DOCKER_HOST. Then run this again.`,
  );
}

async function answersWithin(
  context: ToolchainContext,
  host: string,
  ms: number,
  goOn: () => boolean,
): Promise<boolean> {
  const end = Date.now() + ms;
  while (Date.now() < end) {
    if ((await askEngine(host, context.env)).reached) return true;
    if (!goOn()) return false;
    await sleep(150);
  }
  return false;
}

/** The engine outlives this command, so it gets only the variables that it needs, and none of this command's secrets. */
function daemonEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const wanted = /^(HOME|LANG|LC_ALL|TZ|TMPDIR|SSL_CERT_FILE|SSL_CERT_DIR|HTTPS?_PROXY|NO_PROXY|ALL_PROXY)$/i;
  const kept = Object.entries(env).filter(([name]) => wanted.test(name));
  return { ...Object.fromEntries(kept), PATH: systemPath(env) };
}

async function lockStart(context: ToolchainContext, file: string, readyMs: number): Promise<Lock> {
  try {
    return await takeLock(file, {
      // The holder gives up after readyMs by itself.
      waitMs: readyMs * 1.5,
      onWait: ({ pid }) =>
        context.report.say(`Another run (pid ${pid}) is starting the Docker engine: waiting for it.`),
    });
  } catch (error) {
    if (!(error instanceof LockHeldError)) throw error;
    const { pid, hostname } = error.holder;
    throw new ToolchainError(
      `Another run (pid ${pid} on ${hostname}) still holds ${file} after ${(readyMs * 1.5) / 1000} s: it is starting the Docker engine and does not come to an end.`,
      `Wait for that run, or end it, and run this again. Where it is certain that no such run exists: rm ${file}`,
    );
  }
}

function keepLogSmall(path: string): void {
  try {
    if (statSync(path).size > LOG_LIMIT_BYTES) renameSync(path, `${path}.1`);
  } catch {
    // There is no log yet.
  }
}

/** The last lines of a log. Lines in the engine's format are shortened to level and message. */
export function lastLines(path: string, count: number): string[] {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch {
    return [];
  }
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  return lines.slice(-count).map((line) => {
    const message = /level=(\w+) msg="((?:[^"\\]|\\.)*)"(.*)$/.exec(line);
    return message ? `${message[1]}: ${message[2]}${message[3]}`.slice(0, 300) : line.slice(0, 300);
  });
}
