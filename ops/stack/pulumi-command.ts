/**
 * Runs the Pulumi CLI in a process group of its own, with a lower priority than the stack. A Ctrl-C on the terminal goes
 * to every process of the foreground group, and Pulumi takes a second one as "stop at once", so the CLI must get only the
 * one that we send it. It stands on private parts of the Automation API, which
 * ops/test/stack/automation-api.test.ts holds against the installed version.
 */
import { spawn } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { delimiter, dirname, isAbsolute } from "node:path";
// Not from the Automation API's index: commands that only look load this, and the whole takes most of a second to load.
import { CommandError, ConcurrentUpdateError, StackNotFoundError } from "@pulumi/pulumi/automation/errors.js";
import type { PulumiCommand } from "@pulumi/pulumi/automation/index.js";

/** What the Automation API reads of a finished command: a private class there, of the same form. */
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

/** PulumiCommand's own `run` is not in its published types. */
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

type CommandErrorClass = new (result: CommandResult) => CommandError;

/** The error by which the Automation API tells a missing stack and a locked one from other failures. */
export function commandError(result: CommandResult): CommandError {
  const kind = /no stack named.*found/.test(result.stderr)
    ? StackNotFoundError
    : /the stack is currently locked by|\[409\] Conflict: Another update/.test(result.stderr)
      ? ConcurrentUpdateError
      : CommandError;
  return new (kind as unknown as CommandErrorClass)(result);
}

/** The process ids of the running CLIs, so that a forced end leaves none behind. */
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

/** The niceness of a deploy: where the stack runs on the same machine, its requests come first. */
const NICENESS = 10;

/** Nice from its first instruction on, so that every thread and plugin inherits it. */
const withLowPriority = (command: string, args: readonly string[]): [string, string[]] =>
  process.platform === "win32" ? [command, [...args]] : ["nice", ["-n", String(NICENESS), command, ...args]];

/** Outside of any cgroup Linux weighs sessions before it looks at niceness (sched(7), autogroup), so the session steps back too. */
const lowerSession = (pid: number): Promise<void> =>
  writeFile(`/proc/${pid}/autogroup`, String(NICENESS)).catch(() => undefined);

/**
 * A command that runs like the given one, apart from its environment, priority, process group and the way it is stopped.
 * @param environment the whole one that it runs in; a workspace's variables come on top.
 * @param isUrgent true for one that nothing should wait for: it takes the CPU that it needs.
 */
export function inOwnProcessGroup(
  official: Pick<PulumiCommand, "command" | "version">,
  environment: Readonly<Record<string, string>>,
  isUrgent = false,
): RunnableCommand {
  const { command, version } = official;
  const run: RunnableCommand["run"] = (args, cwd, env, onOutput, onError, signal) =>
    new Promise((resolve, reject) => {
      const all = args.includes("--non-interactive") ? args : [...args, "--non-interactive"];
      const inherited = env["PATH"] ?? environment["PATH"] ?? "";
      const PATH = isAbsolute(command) ? `${dirname(command)}${delimiter}${inherited}` : inherited;
      const child = spawn(...(isUrgent ? ([command, all] as const) : withLowPriority(command, all)), {
        cwd,
        env: { ...environment, ...env, PATH, PULUMI_AUTOMATION_API: "true" },
        stdio: ["ignore", "pipe", "pipe"],
        detached: true,
      });
      const { pid } = child;
      if (pid !== undefined) {
        running.add(pid);
        if (!isUrgent) void lowerSession(pid);
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
        reject(commandError(new CommandResult("", error.message, -2, error)));
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
        else reject(commandError(result));
      });
    });
  return { command, version, run };
}
