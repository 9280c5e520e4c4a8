/** A whole stack of a test's own on the real engine, created and removed with the operator's command. */
import { strict as assert } from "node:assert";
import { execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import Docker from "dockerode";
import { freePort } from "../../tools/host/free-port.ts";
import { longBeforeTheNext } from "./backup-time.ts";

export interface CommandResult {
  readonly code: number;
  /** The signal that ended it. */
  readonly killedBy?: NodeJS.Signals;
  readonly stdout: string;
  readonly stderr: string;
  /** Standard output and standard error, in the order of arrival. */
  readonly output: string;
  readonly seconds: number;
}

/** A running command. */
export interface RunningCommand {
  readonly pid: number;
  readonly done: Promise<CommandResult>;
  /** What it has said so far. */
  output(): string;
  /** Waits until the output so far matches. @throws Error when the command ends first. */
  until(pattern: RegExp): Promise<void>;
  /** Sends a signal to the command alone, as `kill` does. */
  kill(signal: NodeJS.Signals): void;
}

export interface TestStack {
  readonly name: string;
  readonly checkout: string;
  readonly http: string;
  readonly https: string;
  readonly httpPort: number;
  readonly httpsPort: number;
  /** Sets config keys of this stack and keeps the others. */
  configure(config: Record<string, unknown>): void;
  /** Runs an operator's command for this stack to its end. */
  run(command: string, ...args: string[]): Promise<CommandResult>;
  /** Starts an operator's command for this stack and does not wait for it. */
  start(command: string, ...args: string[]): RunningCommand;
  /** The names of a workload's running containers. */
  containers(workload?: string): Promise<string[]>;
  /** Removes the stack with its data. Safe to call at any time. */
  remove(): Promise<void>;
}

export const docker = new Docker();

/** The host's process id of the program that a container's init started; the init itself cannot be stopped or hang. */
export async function programOf(container: string): Promise<number> {
  const { State } = await docker.getContainer(container).inspect();
  return Number(execFileSync("pgrep", ["-P", String(State.Pid), "-o"], { encoding: "utf8" }).trim());
}

export const startCommand = (checkout: string, command: string, ...args: string[]): RunningCommand =>
  startCommandIn({ ...process.env, NO_COLOR: "1" }, checkout, command, ...args);

/** The same, in an environment of its own. */
export function startCommandIn(
  env: NodeJS.ProcessEnv,
  checkout: string,
  command: string,
  ...args: string[]
): RunningCommand {
  const started = performance.now();
  const child = spawn(process.execPath, [join(checkout, "ops/cli.ts"), command, ...args], {
    cwd: checkout,
    // Its own Ctrl-C must not reach the tests.
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
    env,
  });
  let [stdout, stderr, output] = ["", "", ""];
  const listeners = new Set<() => void>();
  const heard = (): void => listeners.forEach((listener) => listener());
  child.stdout.on("data", (chunk: Buffer) => {
    stdout += chunk.toString();
    output += chunk.toString();
    heard();
  });
  child.stderr.on("data", (chunk: Buffer) => {
    stderr += chunk.toString();
    output += chunk.toString();
    heard();
  });
  let ended = false;
  const done = new Promise<CommandResult>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (status, signal) => {
      ended = true;
      const code = status ?? (signal ? 128 : 1);
      const seconds = (performance.now() - started) / 1000;
      resolve({ code, ...(signal && { killedBy: signal }), stdout, stderr, output, seconds });
      heard();
    });
  });
  return {
    pid: child.pid ?? 0,
    done,
    output: () => output,
    until: (pattern) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          if (pattern.test(output)) resolve();
          else if (ended) reject(new Error(`the command ended without ${String(pattern)}:\n${output}`));
          else return;
          listeners.delete(look);
        };
        listeners.add(look);
        look();
      }),
    kill: (signal) => void child.kill(signal),
  };
}

/** Waits until something is so while a command runs. @throws Error where the command ends first */
export async function whenSo(command: RunningCommand, isSo: () => boolean | Promise<boolean>): Promise<void> {
  let ended = false;
  const done = command.done.finally(() => (ended = true));
  while (!(await isSo())) {
    if (ended) throw new Error(`the command ended first:\n${command.output()}`);
    await Promise.race([done, sleep(20)]);
  }
}

/**
 * Kills a command as soon as something is so.
 * @returns what it has said. @throws Error where it ends by itself
 */
export async function killWhen(
  command: RunningCommand,
  isSo: () => boolean | Promise<boolean>,
): Promise<string> {
  try {
    await whenSo(command, isSo);
  } finally {
    command.kill("SIGKILL");
  }
  const { killedBy, output } = await command.done;
  assert.equal(killedBy, "SIGKILL", `it ended by itself before it was killed:\n${output}`);
  return output;
}

/** Creates the config of a new stack with ports of its own; nothing is deployed yet. */
export async function createStack(
  checkout: string,
  config: Record<string, unknown> = {},
  name = `test-${randomBytes(4).toString("hex")}`,
): Promise<TestStack> {
  const [httpPort, httpsPort] = [await freePort(), await freePort()];
  const backupTime = longBeforeTheNext(config["timeZone"] as string | undefined);
  const current: Record<string, unknown> = { httpPort, httpsPort, backupTime, ...config };
  const configure = (more: Record<string, unknown>): void => {
    Object.assign(current, more);
    const lines = Object.entries(current).map(
      ([key, value]) => `  omniai:${key}: ${JSON.stringify(value)}\n`,
    );
    writeFileSync(join(checkout, `Pulumi.${name}.yaml`), `config:\n${lines.join("")}`);
  };
  configure({});
  const start = (command: string, ...args: string[]): RunningCommand =>
    startCommand(checkout, command, "--stack", name, ...args);
  return {
    name,
    checkout,
    http: `http://127.0.0.1:${httpPort}`,
    https: `https://127.0.0.1:${httpsPort}`,
    httpPort,
    httpsPort,
    configure,
    start,
    run: (command, ...args) => start(command, ...args).done,
    async containers(workload) {
      const label = [`io.omniai.stack=${name}`, ...(workload ? [`io.omniai.workload=${workload}`] : [])];
      const found = await docker.listContainers({ filters: { label } });
      return found.map(({ Names }) => (Names[0] ?? "").replace(/^\//, "")).sort();
    },
    async remove() {
      await start("down", "--delete-data", "--delete-backups", "--yes").done;
      await sweep(name);
    },
  };
}

/** Removes what a failed test may have left on the engine. */
export async function sweep(stack: string): Promise<void> {
  const filters = { label: [`io.omniai.stack=${stack}`] };
  for (const { Id } of await docker.listContainers({ all: true, filters })) {
    await docker.getContainer(Id).remove({ force: true, v: true });
  }
  for (const { Name } of (await docker.listVolumes({ filters: JSON.stringify(filters) })).Volumes ?? []) {
    await docker.getVolume(Name).remove();
  }
  for (const { Id } of await docker.listNetworks({ filters: JSON.stringify(filters) })) {
    await docker.getNetwork(Id).remove();
  }
}
