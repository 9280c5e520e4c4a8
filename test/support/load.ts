/** Puts a constant load on an address and accounts exactly for every request. */
import { Agent, request as httpRequest } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";

export interface LoadOptions {
  /** Where the requests go; https certificates are not checked, because a dev stack has its own. */
  readonly url: string;
  /** Requests per second; each starts on time, even if earlier ones have not ended. */
  readonly rate: number;
  /** Connections that are kept open; default 32. */
  readonly connections?: number;
  /** The method and body of request number `n`; default: GET. */
  readonly request?: (n: number) => {
    method: string;
    path: string;
    body?: string;
    headers?: Record<string, string>;
  };
  /** Whether an answer is a success; default: 2xx. */
  readonly accept?: (status: number) => boolean;
}

export interface LoadResult {
  readonly sent: number;
  /** One line per failed request: its number, when (seconds since the start), method, and why. */
  readonly failures: readonly string[];
  /** Milliseconds, sorted. */
  readonly latencies: readonly number[];
}

/** A load that runs until it is stopped. */
export interface Load {
  /** Stops sending, waits for the outstanding answers, and accounts for all. */
  stop(): Promise<LoadResult>;
}

const TIMEOUT_MS = 15_000;
/** What a failure quotes of an answer: enough for a whole problem, which says why. */
const ANSWER_CHARACTERS = 400;

export function startLoad({ url, rate, connections = 32, request, accept }: LoadOptions): Load {
  const secure = url.startsWith("https:");
  const agent = secure
    ? new HttpsAgent({ keepAlive: true, maxSockets: connections, rejectUnauthorized: false })
    : new Agent({ keepAlive: true, maxSockets: connections });
  const send = secure ? httpsRequest : httpRequest;
  const failures: string[] = [];
  const latencies: number[] = [];
  const pending = new Set<Promise<void>>();
  const started = performance.now();
  let sent = 0;

  const one = (n: number): Promise<void> =>
    new Promise((resolve) => {
      const { method, path, body, headers } = request?.(n) ?? { method: "GET", path: "" };
      const begun = performance.now();
      const fail = (why: string): void => {
        failures.push(`#${n} at ${((begun - started) / 1000).toFixed(2)} s: ${method} ${path}: ${why}`);
        resolve();
      };
      const call = send(`${url}${path}`, { method, agent, timeout: TIMEOUT_MS, headers }, (response) => {
        const status = response.statusCode ?? 0;
        const good = accept ? accept(status) : status >= 200 && status < 300;
        let answer = "";
        response.setEncoding("utf8").on("data", (part: string) => {
          if (!good && answer.length < ANSWER_CHARACTERS) answer += part;
        });
        response.on("error", (error) => fail(error.message));
        response.on("end", () => {
          const ms = performance.now() - begun;
          latencies.push(ms);
          if (good) resolve();
          else fail(`status ${status} after ${ms.toFixed(0)} ms: ${answer.slice(0, ANSWER_CHARACTERS)}`);
        });
      });
      call.on("timeout", () => call.destroy(new Error(`no answer in ${TIMEOUT_MS} ms`)));
      call.on("error", (error) => fail(error.message));
      call.end(body);
    });

  const timer = setInterval(() => {
    const due = Math.floor(((performance.now() - started) / 1000) * rate);
    while (sent < due) {
      const call: Promise<void> = one(sent++).finally(() => pending.delete(call));
      pending.add(call);
    }
  }, 5);

  return {
    async stop() {
      clearInterval(timer);
      await Promise.all(pending);
      agent.destroy();
      return { sent, failures, latencies: latencies.sort((left, right) => left - right) };
    },
  };
}

/** The value below which `share` of the sorted values lie. */
export const quantile = (sorted: readonly number[], share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
