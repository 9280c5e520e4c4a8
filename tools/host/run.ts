/** Runs programs: collects what they print, passes each line on as it comes, and never waits past its limit. */
import { spawn } from "node:child_process";
import type { Readable } from "node:stream";
import { stripVTControlCharacters } from "node:util";

export interface RunOptions {
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** Written to the program's standard input. Default: none. */
  readonly input?: string | Readable;
  /** Gets each line of both outputs, as it comes. */
  readonly onLine?: (line: string) => void;
  /** A process group of its own: a Ctrl-C on the terminal, which goes to this process, does not reach it. Default: false. */
  readonly ownGroup?: boolean;
  /** After so long the program is told to end, and killed 2 s later. Default: never. */
  readonly timeoutMs?: number;
}

export interface RunResult {
  /** The exit code. Undefined when a signal ended the program or it could not be started. */
  readonly code: number | undefined;
  readonly stdout: string;
  /** The last lines of both outputs, for an error message. */
  readonly tail: readonly string[];
  readonly timedOut: boolean;
  /** The signal that ended it. */
  readonly endedBy?: NodeJS.Signals;
  /** Why the program could not be started. */
  readonly notStarted?: string;
}

const TAIL_LINES = 15;
const KILL_MS = 2000;

/** Runs a program to its end. A bad end is a result, not an exception: the caller knows what it means. */
export function run(file: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  return new Promise((resolve) => {
    const child = spawn(file, [...args], {
      env: options.env ?? process.env,
      cwd: options.cwd,
      detached: options.ownGroup === true,
      stdio: [options.input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
    });
    const tail: string[] = [];
    let stdout = "";
    let timedOut = false;
    let killing: NodeJS.Timeout | undefined;
    const takeLine = (line: string): void => {
      const plain = stripVTControlCharacters(line).trim();
      if (plain === "") return;
      tail.push(plain);
      if (tail.length > TAIL_LINES) tail.shift();
      options.onLine?.(plain);
    };
    const rests = [
      cutLines(child.stdout, takeLine, (text) => (stdout += text)),
      cutLines(child.stderr, takeLine, () => undefined),
    ];
    const timer =
      options.timeoutMs === undefined
        ? undefined
        : setTimeout(() => {
            timedOut = true;
            child.kill("SIGTERM");
            killing = setTimeout(() => {
              child.kill("SIGKILL");
              // What the program started may hold its outputs open for as long as it likes.
              child.stdout?.destroy();
              child.stderr?.destroy();
            }, KILL_MS);
          }, options.timeoutMs);
    const end = (code: number | undefined, why: Pick<RunResult, "notStarted" | "endedBy"> = {}): void => {
      clearTimeout(timer);
      clearTimeout(killing);
      resolve({ code, stdout, tail, timedOut, ...why });
    };

    if (child.stdin) {
      // A program that ends early closes its input. Its exit code tells more than the broken pipe.
      child.stdin.on("error", () => undefined);
      if (typeof options.input === "string") child.stdin.end(options.input);
      else options.input?.pipe(child.stdin);
    }
    child.on("error", (error) => end(undefined, { notStarted: error.message }));
    child.on("close", (code, endedBy) => {
      for (const rest of rests) takeLine(rest());
      end(code ?? undefined, endedBy === null ? {} : { endedBy });
    });
  });
}

/** Lines of a program's output, indented below an error message. */
export function indent(lines: readonly string[]): string {
  return lines.map((line) => `    ${line}`).join("\n");
}

/** Cuts a stream into lines. The function that it returns gives the unfinished last line. */
function cutLines(
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
