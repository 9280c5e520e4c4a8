/**
 * The Pulumi CLI in a process group of its own, and behind what it deploys to. A Ctrl-C on the terminal goes to every
 * process of the foreground group; Pulumi takes a second one for "stop at once". So the CLI must get exactly the one that
 * we send it.
 */
import { spawn } from "node:child_process";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import {
  CommandError,
  ConcurrentUpdateError,
  type PulumiCommand,
  StackNotFoundError,
} from "@pulumi/pulumi/automation/index.js";

/** What the Automation API (3.270.0, pinned) reads of a finished command. */
export class CommandResult {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number;
  readonly err?: Error;
  constructor(stdout: string, stderr: string, code: number, err?: Error) {
    this.stdout = stdout;
    this.stderr = stderr;
    this.code = code;
    this.err = err;
  }
  toString(): string {
    return `code: ${this.code}\n stdout: ${this.stdout}\n stderr: ${this.stderr}\n err?: ${this.err?.toString() ?? ""}\n`;
  }
}

type Listener = (text: string) => void;

/** PulumiCommand's own `run` is not in its published types; its signature is that of 3.270.0. */
export interface RunnableCommand extends PulumiCommand {
  run(
    args: string[],
    cwd: string,
    env: Readonly<Record<string, string>>,
    onOutput?: Listener,
    onError?: Listener,
    signal?: AbortSignal,
  ): Promise<CommandResult>;
}

/** Aborting with this reason ends the CLI at once instead of asking it to come to an end. */
export const FORCE = "force";

type CommandErrorClass = new (result: CommandResult) => CommandError;

function failure(result: CommandResult): CommandError {
  const kind = /no stack named.*found/.test(result.stderr)
    ? StackNotFoundError
    : /the stack is currently locked by|\[409\] Conflict: Another update/.test(result.stderr)
      ? ConcurrentUpdateError
      : CommandError;
  return new (kind as unknown as CommandErrorClass)(result);
}

/** The running CLIs, so that a forced end leaves none behind. */
const running = new Set<number>();

/** Signals every CLI that still runs, with all that it started in its group. */
export function killRunning(signal: NodeJS.Signals): void {
  for (const pid of running) {
    try {
      process.kill(-pid, signal);
    } catch {
      // It ended in the meantime.
    }
  }
}

/** How far a deploy steps back from the CPU where the stack runs on the same machine: requests come first. */
const NICENESS = 10;

/** From the first instruction on, so that every thread and plugin inherits it. */
const behind = (command: string, args: readonly string[]): [string, string[]] =>
  process.platform === "win32" ? [command, [...args]] : ["nice", ["-n", String(NICENESS), command, ...args]];

/** Linux weighs processes outside of any cgroup by session first (sched(7), autogroup): niceness alone ends there. */
const sessionBehind = (pid: number): Promise<void> =>
  writeFile(`/proc/${pid}/autogroup`, String(NICENESS)).catch(() => undefined);

/**
 * A command that runs like the given one, apart from its priority, the process group and the way it is stopped.
 * @param isUrgent true for one that nothing should wait for: it takes the CPU that it needs.
 */
export function inOwnProcessGroup(official: PulumiCommand, isUrgent = false): RunnableCommand {
  const { command, version } = official;
  const run: RunnableCommand["run"] = (args, cwd, env, onOutput, onError, signal) =>
    new Promise((resolve, reject) => {
      const all = args.includes("--non-interactive") ? args : [...args, "--non-interactive"];
      const PATH = path.isAbsolute(command)
        ? `${path.dirname(command)}${path.delimiter}${env["PATH"] ?? process.env["PATH"] ?? ""}`
        : (env["PATH"] ?? process.env["PATH"]);
      const child = spawn(...(isUrgent ? ([command, all] as const) : behind(command, all)), {
        cwd,
        env: { ...process.env, ...env, PATH, PULUMI_AUTOMATION_API: "true" },
        stdio: ["ignore", "pipe", "pipe"],
        detached: true,
      });
      const { pid } = child;
      if (pid !== undefined) {
        running.add(pid);
        if (!isUrgent) void sessionBehind(pid);
      }
      let stdout = "";
      let stderr = "";
      child.stdout.setEncoding("utf8").on("data", (text: string) => {
        stdout += text;
        onOutput?.(text);
      });
      child.stderr.setEncoding("utf8").on("data", (text: string) => {
        stderr += text;
        onError?.(text);
      });
      const cancel = (): void => void child.kill("SIGINT");
      if (signal?.aborted) cancel();
      signal?.addEventListener("abort", cancel, { once: true });
      const done = (): void => {
        if (pid !== undefined) running.delete(pid);
        signal?.removeEventListener("abort", cancel);
      };
      child.on("error", (error) => {
        done();
        reject(failure(new CommandResult("", error.message, -2, error)));
      });
      child.on("close", (code, endedBy) => {
        done();
        const result = new CommandResult(
          stdout,
          stderr,
          code ?? -2,
          endedBy ? new Error(`ended by ${endedBy}`) : undefined,
        );
        if (code === 0) resolve(result);
        else reject(failure(result));
      });
    });
  return { command, version, run };
}
