/** Puts a constant load on an address and accounts exactly for every request. */
import { randomBytes } from "node:crypto";
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import type { Socket } from "node:net";
import { keepConnections } from "./kept-connections.ts";

export interface LoadOptions {
  /** Where the requests go; https certificates are not checked, because a dev stack has its own. */
  readonly url: string;
  /**
   * Where they go in its place, one after the other and for good, once it takes no connection: a request that was not sent may be sent
   * elsewhere, as a load balancer does. Default: nowhere.
   */
  readonly instead?: readonly string[];
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

/** A request without an answer, or with one that is no success. */
export interface LoadFailure {
  /** Its number, from 0. */
  readonly n: number;
  /** When it was sent: seconds since the start of the load, and Unix milliseconds. */
  readonly seconds: number;
  readonly at: number;
  /** How much later than it was due, in milliseconds: what the load's own thread was busy with. */
  readonly late: number;
  /** Its X-Request-Id, which the lines of the edge and of the replicas have too. */
  readonly id: string;
  readonly method: string;
  readonly path: string;
  /** The answer's; 0 if there was none. */
  readonly status: number;
  /** How long it took, in milliseconds. */
  readonly ms: number;
  /** The answer's status and begin; or the code of the error, how long it took, and whether its connection was a kept one. */
  readonly why: string;
}

export interface LoadResult {
  readonly sent: number;
  readonly failures: readonly LoadFailure[];
  /** How many went to another address than the first. */
  readonly elsewhere: number;
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

export function startLoad({ url, instead = [], rate, connections = 32, request, accept }: LoadOptions): Load {
  const addresses = [url, ...instead];
  const secure = url.startsWith("https:");
  const { agent, closeOld } = keepConnections(secure, connections);
  const send = secure ? httpsRequest : httpRequest;
  const failures: LoadFailure[] = [];
  const latencies: number[] = [];
  const used = new WeakSet<Socket>();
  const pending = new Set<Promise<void>>();
  const started = performance.now();
  const run = randomBytes(4).toString("hex");
  let [sent, elsewhere, current] = [0, 0, 0];

  const one = (n: number): Promise<void> =>
    new Promise((resolve) => {
      closeOld();
      const { method, path, body, headers } = request?.(n) ?? { method: "GET", path: "" };
      const begun = performance.now();
      const at = Date.now();
      const id = `load-${run}-${n}`;
      const fail = (status: number, ms: number, why: string): void => {
        const seconds = (begun - started) / 1000;
        const late = Math.max(0, Math.round((seconds - (n + 1) / rate) * 1000));
        failures.push({ n, seconds, at, late, id, method, path, status, ms, why });
        resolve();
      };
      const attempt = (address: number): void => {
        let [isKept, isConnected] = [false, false];
        const broken = (error: NodeJS.ErrnoException): void => {
          const ms = performance.now() - begun;
          if (!isConnected && address + 1 < addresses.length) {
            current = Math.max(current, address + 1);
            return attempt(current);
          }
          const connection = isKept ? "a kept connection" : "a new connection";
          fail(
            0,
            ms,
            `${error.code ?? "no code"} after ${ms.toFixed(0)} ms on ${connection}: ${error.message}`,
          );
        };
        const options = { method, agent, timeout: TIMEOUT_MS, headers: { "x-request-id": id, ...headers } };
        const call = send(`${addresses[address]}${path}`, options, (response) => {
          const status = response.statusCode ?? 0;
          const good = accept ? accept(status) : status >= 200 && status < 300;
          let answer = "";
          response.setEncoding("utf8").on("data", (part: string) => {
            if (!good && answer.length < ANSWER_CHARACTERS) answer += part;
          });
          response.on("error", broken);
          response.on("end", () => {
            const ms = performance.now() - begun;
            latencies.push(ms);
            if (address > 0) elsewhere++;
            if (good) resolve();
            else
              fail(
                status,
                ms,
                `status ${status} after ${ms.toFixed(0)} ms: ${answer.slice(0, ANSWER_CHARACTERS)}`,
              );
          });
        });
        // Node's own word for it knows nothing of a request that waited until a connection was free.
        call.on("socket", (socket) => {
          isKept = used.has(socket);
          used.add(socket);
          isConnected = isKept;
          // Before that, nothing of the request has left.
          if (!isKept) socket.once(secure ? "secureConnect" : "connect", () => (isConnected = true));
        });
        call.on("timeout", () => call.destroy(new Error(`no answer in ${TIMEOUT_MS} ms`)));
        call.on("error", broken);
        call.end(body);
      };
      attempt(current);
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
      return { sent, failures, elsewhere, latencies: latencies.sort((left, right) => left - right) };
    },
  };
}

/** A failure as a line for a person. */
export const tellFailure = ({ n, seconds, at, late, id, method, path, why }: LoadFailure): string =>
  `#${n} at ${seconds.toFixed(2)} s (${new Date(at).toISOString()}, ${late} ms late, ${id}): ${method} ${path}: ${why}`;

/** The value below which `share` of the sorted values lie. */
export const quantile = (sorted: readonly number[], share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
