/** The load of every scenario: runs the Go program in traffic/ and reads the account that it writes. */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { buildProgram } from "../go-program.ts";

/** The kinds of requests, as the program numbers them. */
export const GET = 0;
export const ROW = 1;
export const EVENT = 2;

/** Due time (Unix ms), kind, duration (ms), status (0: no answer), and index of its replica or -1. */
export type Sample = readonly [at: number, kind: number, ms: number, status: number, replica: number];

export interface Failure {
  readonly at: number;
  readonly kind: number;
  readonly number: number;
  readonly ms: number;
  readonly status: number;
  readonly retryAfter?: string;
  readonly why: string;
}

/** All times in Unix ms. */
export interface Account {
  readonly requests: {
    readonly samples: readonly Sample[];
    readonly failures: readonly Failure[] | null;
    /** The replicas that answered: their index points into this list. */
    readonly replicas: readonly string[];
    /** By kind. */
    readonly sent: readonly number[];
  };
  readonly streams: {
    readonly count: number;
    readonly acknowledged: number;
    readonly delivered: number;
    /** Acknowledged events that a stream did not get, summed over all streams. */
    readonly lost: number;
    readonly doubled: number;
    readonly disordered: number;
    readonly resets: number;
    readonly reconnects: number;
    readonly refusals: number;
    /** Periods of at least a second in which a stream got no event. */
    readonly silences: readonly { readonly from: number; readonly to: number; readonly stream: number }[];
    /** Every quarter of a second: time, open streams, events so far. */
    readonly series: readonly (readonly [number, number, number])[];
  };
  /** When each certificate was first and last seen, by its SHA-256. */
  readonly certificates: Readonly<Record<string, readonly [number, number]>>;
  /** CPU time that the program itself used. */
  readonly cpuSeconds: number;
}

export interface LoadSize {
  readonly rate: number;
  readonly streams: number;
  readonly events: number;
}

export interface Traffic {
  /** Stops sending, waits for the requests in flight, and accounts for all. */
  stop(): Promise<Account>;
}

/** Builds the program. @throws Error if Go is missing or the build fails. */
export const buildTraffic = (folder: string): string =>
  buildProgram(join(import.meta.dirname, "traffic"), folder);

/** Starts the load and resolves once every stream is open. @param run the prefix of each row's name. */
export function startTraffic(
  program: string,
  url: string,
  run: string,
  size: LoadSize,
  more: readonly string[] = [],
): Promise<Traffic> {
  const { rate, streams, events } = size;
  const args = Object.entries({ url, run, rate, streams, events }).flatMap(([key, value]) => [
    `-${key}`,
    String(value),
  ]);
  const child = spawn(program, [...args, ...more], { stdio: ["pipe", "pipe", "inherit"] });
  let text = "";
  const ended = new Promise<number | null>((resolve) => child.on("close", resolve));
  return new Promise((resolve, reject) => {
    let isStarted = false;
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk;
      if (isStarted || !text.includes("\n")) return;
      isStarted = true;
      const { opened } = JSON.parse(text.slice(0, text.indexOf("\n"))) as { opened: number };
      if (opened < streams) {
        child.kill("SIGKILL");
        reject(new Error(`only ${opened} of ${streams} streams could be opened at ${url}`));
        return;
      }
      resolve({
        async stop() {
          child.stdin.end();
          const code = await ended;
          if (code !== 0) throw new Error(`the load ended with ${String(code)}`);
          return JSON.parse(text.slice(text.indexOf("\n") + 1)) as Account;
        },
      });
    });
    child.on("error", reject);
    void ended.then((code) => {
      if (!isStarted) reject(new Error(`the load ended with ${String(code)} before it began`));
    });
  });
}
