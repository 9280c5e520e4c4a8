import { spawn } from "node:child_process";
import { accessSync, constants, statSync } from "node:fs";
import { delimiter, isAbsolute, join, sep } from "node:path";

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Milliseconds after which the process is killed. Default: never. */
  readonly timeout?: number;
  /** Gets each piece of output as it comes. */
  readonly onOutput?: (text: string) => void;
}

export interface RunResult {
  /** The exit code; undefined when it was killed, ran out of time or could not be started. */
  readonly code?: number;
  readonly stdout: string;
  /** Standard output and error as they came, the last of them when it is long. */
  readonly output: string;
}

const keptOutput = 64 * 1024;

/** Runs a program to its end. Never throws: a program that cannot be started is a result without a code. */
export async function run(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<RunResult> {
  return await new Promise((resolve) => {
    const { cwd, env, timeout } = options;
    const child = spawn(command, args, {
      cwd,
      env,
      timeout,
      killSignal: "SIGKILL",
      stdio: ["ignore", "pipe", "pipe"],
    });
    let stdout = "";
    let output = "";
    const take = (text: string): void => {
      output = (output + text).slice(-keptOutput);
      options.onOutput?.(text);
    };
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
      take(text);
    });
    child.stderr.setEncoding("utf8").on("data", take);
    child.on("error", (error) => resolve({ stdout, output: output || error.message }));
    child.on("close", (code) => resolve({ code: code ?? undefined, stdout, output }));
  });
}

/** The last lines of an output, for an error message. */
export function tail(output: string, lines = 15): string {
  return output
    .trimEnd()
    .split("\n")
    .slice(-lines)
    .map((line) => `    ${line}`)
    .join("\n");
}

/** All programs of that name on PATH, in its order, except those below one of the folders to leave out. */
export function findOnPath(name: string, env: NodeJS.ProcessEnv, except: readonly string[] = []): string[] {
  const file = process.platform === "win32" ? `${name}.exe` : name;
  return (env.PATH ?? "")
    .split(delimiter)
    .filter(
      (folder) => isAbsolute(folder) && !except.some((left) => `${folder}${sep}`.startsWith(`${left}${sep}`)),
    )
    .map((folder) => join(folder, file))
    .filter(isExecutable);
}

export function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
