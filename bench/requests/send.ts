/** Runs the load program of requests, bench/requests/load. */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { buildProgram } from "../go-program.ts";

/** What the program prints. */
export interface Answers {
  readonly answered: number;
  /** Answers of other than 2xx, and broken connections. */
  readonly failed: number;
  readonly perSecond: number;
  /** ms */
  readonly p50: number;
  /** ms */
  readonly p99: number;
  /** Of the program itself. */
  readonly cpuSeconds: number;
}

/** The edge serves what a stack is called, and not the address of its container. */
export const SERVED = "127.0.0.1";

/** What the service is asked: something that it looks up, and an event that it keeps. */
export const KINDS = [
  { name: "reads", path: "/api/diag/health-summary", body: undefined },
  { name: "events", path: "/api/events", body: '{"type":"load","data":{"n":1}}' },
] as const;
export type Kind = (typeof KINDS)[number];

const run = promisify(execFile);

/** @param folder where the program is put. @throws Error if Go is missing or the build fails */
export const buildLoad = (folder: string): string => buildProgram(join(import.meta.dirname, "load"), folder);

/** @param options the program's flags */
export async function send(
  program: string,
  options: Readonly<Record<string, string | number>>,
): Promise<Answers> {
  const flags = Object.entries(options).flatMap(([name, value]) => [`-${name}`, String(value)]);
  return JSON.parse((await run(program, flags)).stdout) as Answers;
}

/** The flags for one kind of request. @param address of the edge, host:port */
export const askFor = ({ path, body }: Kind, address: string): Record<string, string> => ({
  address,
  host: SERVED,
  path,
  ...(body === undefined ? {} : { body }),
});

/**
 * Every kind at once at a constant rate.
 * @param rate requests a second of each kind.
 * @returns the p99 of each, in ms. @throws Error if a request was not answered by 2xx
 */
export const calmRound = (
  program: string,
  address: string,
  { rate, seconds }: { readonly rate: number; readonly seconds: number },
): Promise<number[]> =>
  Promise.all(
    KINDS.map(async (kind) => {
      const options = { ...askFor(kind, address), rate, connections: 20, duration: `${seconds}s` };
      const { p99, failed } = await send(program, options);
      // What is refused is answered fast: it must not pass for a good answer.
      if (failed > 0) throw new Error(`${failed} requests of ${kind.path} were not answered by 2xx`);
      return p99;
    }),
  );
