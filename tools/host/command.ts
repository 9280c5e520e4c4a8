/** Runs programs: collects what they print, hands each line on as it comes, and never hangs past its limit. */
import { spawn } from "node:child_process";
import { accessSync, constants, statSync } from "node:fs";
import { delimiter, join } from "node:path";
import type { Readable } from "node:stream";

export interface CommandOptions {
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** Written to the program's standard input; without it there is none. */
  readonly input?: string | Readable;
  /** Each line of both outputs, as it comes. */
  readonly onLine?: (line: string) => void;
  /** After so long the program is told to end. */
  readonly timeoutMs?: number;
}

export interface CommandResult {
  /** The exit code; undefined when a signal ended it or it could not be started. */
  readonly code: number | undefined;
  readonly stdout: string;
  /** The last lines of both outputs, for an error message. */
  readonly tail: readonly string[];
  readonly timedOut: boolean;
  /** Why it could not be started: the program is not there, or not to be run. */
  readonly notStarted?: string;
}

const TAIL_LINES = 15;

/** Runs a program to its end. A bad end is a result, not an exception: the caller knows what it means. */
export function run(
  file: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  return new Promise((resolve) => {
    const child = spawn(file, [...args], {
      env: options.env ?? process.env,
      cwd: options.cwd,
      stdio: [options.input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
    });
    const tail: string[] = [];
    let stdout = "";
    let timedOut = false;
    const takeLine = (line: string): void => {
      const clean = plain(line);
      if (clean === "") return;
      tail.push(clean);
      if (tail.length > TAIL_LINES) tail.shift();
      options.onLine?.(clean);
    };
    const rests = [
      lines(child.stdout, takeLine, (text) => (stdout += text)),
      lines(child.stderr, takeLine, () => undefined),
    ];
    const timer =
      options.timeoutMs === undefined
        ? undefined
        : setTimeout(() => {
            timedOut = true;
            child.kill("SIGTERM");
            setTimeout(() => child.kill("SIGKILL"), 2000).unref();
          }, options.timeoutMs);

    if (child.stdin) {
      // A program that ends early closes its input: its exit code tells, not the broken pipe.
      child.stdin.on("error", () => undefined);
      if (typeof options.input === "string") child.stdin.end(options.input);
      else options.input?.pipe(child.stdin);
    }
    child.on("error", (error) => {
      clearTimeout(timer);
      resolve({ code: undefined, stdout, tail, timedOut, notStarted: error.message });
    });
    child.on("close", (code) => {
      clearTimeout(timer);
      for (const rest of rests) takeLine(rest());
      resolve({ code: code ?? undefined, stdout, tail, timedOut });
    });
  });
}

/** A line without the colours and movements of a terminal. */
function plain(line: string): string {
  // eslint-disable-next-line no-control-regex
  return line.replace(/\u001b\[[0-9;?]*[A-Za-z]/g, "").trim();
}

/** Cuts a stream into lines; the function that comes back gives the unfinished last one. */
function lines(
  stream: Readable | null,
  take: (line: string) => void,
  all: (text: string) => void,
): () => string {
  let rest = "";
  stream?.setEncoding("utf8");
  stream?.on("data", (text: string) => {
    all(text);
    const parts = (rest + text).split(/\r?\n|\r/);
    rest = parts.pop() ?? "";
    for (const part of parts) take(part);
  });
  return () => rest;
}

/** Where an administrator's programs lie: an ordinary PATH leaves these out. */
const SYSTEM_FOLDERS = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/** The full path of a program on PATH or in the system's own folders. */
export function findProgram(name: string, env: NodeJS.ProcessEnv): string | undefined {
  const folders = (env["PATH"] ?? "").split(delimiter).filter((folder) => folder !== "");
  if (process.platform !== "win32") folders.push(...SYSTEM_FOLDERS);
  const endings = process.platform === "win32" ? [".exe", ".cmd", ""] : [""];
  for (const folder of folders) {
    for (const ending of endings) {
      const path = join(folder, name + ending);
      try {
        accessSync(path, constants.X_OK);
        if (statSync(path).isFile()) return path;
      } catch {
        // Not here: the next one.
      }
    }
  }
  return undefined;
}

/** PATH with the system's own folders at its end, for what calls iptables, mount and the like. */
export function systemPath(env: NodeJS.ProcessEnv): string {
  return [env["PATH"] ?? "", ...SYSTEM_FOLDERS].filter((part) => part !== "").join(delimiter);
}
