/** Small HTTP and SSE clients for tests. They accept the self-signed certificate of a test stack. */
import { randomUUID } from "node:crypto";
import { type ClientRequest, type IncomingHttpHeaders, request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

const requesterOf = (url: string) => (url.startsWith("https:") ? httpsRequest : httpRequest);

export const call = (
  url: string,
  options: { method?: string; body?: unknown; headers?: Record<string, string> } = {},
): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const body = options.body === undefined ? undefined : JSON.stringify(options.body);
    const request = requesterOf(url)(
      url,
      {
        method: options.method ?? "GET",
        rejectUnauthorized: false,
        agent: false,
        timeout: 15_000,
        headers: { ...(body ? { "content-type": "application/json" } : {}), ...options.headers },
      },
      (response) => {
        let text = "";
        response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
        response.on("end", () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text }),
        );
        response.on("error", reject);
      },
    );
    request.on("timeout", () => request.destroy(new Error(`no answer from ${url} in 15 s`)));
    request.on("error", reject);
    request.end(body);
  });

/** How long what cannot be stored now is sent again, in milliseconds, and the pause between two attempts. */
const STORED_WITHIN_MS = 30_000;
const AGAIN_MS = 500;

/**
 * POSTs an event as a client that wants it stored does: again after a 503, which says that the disk was not done in time, with the same
 * Idempotency-Key. @returns the answer that is no 503, or the last one after half a minute
 */
export async function publish(
  url: string,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  const end = performance.now() + STORED_WITHIN_MS;
  const options = { method: "POST", body, headers: { ...headers, "idempotency-key": randomUUID() } };
  for (;;) {
    const answer = await call(`${url}/api/events`, options);
    if (answer.status !== 503 || performance.now() > end) return answer;
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  }
}

export interface SseEvent {
  readonly id: string;
  readonly event: string;
  readonly data: string;
}

/** A client that reconnects with its last id, as a browser's EventSource does. */
export interface SseClient {
  readonly events: readonly SseEvent[];
  /** How often it had to connect. */
  readonly connects: number;
  /** How many of its connections had begun to follow the log; later events arrive on them. */
  readonly joins: number;
  /** Answers that were not 200, which end a native EventSource for ever. */
  readonly refusals: readonly number[];
  close(): void;
}

/** @param lastId where to resume; the events of type `hb` are not kept. */
export function openSse(url: string, lastId = ""): SseClient {
  const events: SseEvent[] = [];
  const refusals: number[] = [];
  let [id, connects, joins, closed, isFollowing, retry] = [lastId, 0, 0, false, false, 1000];
  let current: ClientRequest | undefined;
  const again = (): void => {
    if (!closed) setTimeout(connect, retry);
  };
  const connect = (): void => {
    if (closed) return;
    connects += 1;
    let buffer = "";
    let ended = false;
    isFollowing = false;
    const end = (): void => {
      if (!ended) again();
      ended = true;
    };
    current = requesterOf(url)(
      url,
      {
        rejectUnauthorized: false,
        agent: false,
        headers: { accept: "text/event-stream", ...(id ? { "last-event-id": id } : {}) },
      },
      (response) => {
        if (response.statusCode !== 200) refusals.push(response.statusCode ?? 0);
        response.setEncoding("utf8").on("data", (chunk: string) => {
          buffer += chunk;
          const blocks = buffer.split("\n\n");
          buffer = blocks.pop() ?? "";
          blocks.forEach(take);
        });
        response.on("end", end).on("error", end).on("close", end);
      },
    );
    current.on("error", end).end();
  };
  const take = (block: string): void => {
    const fields = new Map<string, string>();
    for (const line of block.split("\n")) {
      const [, name = "", value = ""] = /^([a-z]+): ?(.*)$/.exec(line) ?? [];
      fields.set(name, fields.has(name) ? `${fields.get(name)}\n${value}` : value);
    }
    if (fields.has("retry")) retry = Number(fields.get("retry"));
    if (fields.has("id")) {
      id = fields.get("id") ?? "";
      // The service sends the first id of a connection at the moment when it adds the stream to those that get events.
      if (!isFollowing) joins += 1;
      isFollowing = true;
    }
    const event = fields.get("event") ?? "message";
    if (fields.has("data") && event !== "hb") events.push({ id, event, data: fields.get("data") ?? "" });
  };
  connect();
  return {
    events,
    refusals,
    get connects() {
      return connects;
    },
    get joins() {
      return joins;
    },
    close() {
      closed = true;
      current?.destroy();
    },
  };
}

/** Asks until the answer is as expected. @throws Error with the last answer after `seconds`. */
export async function eventually<T>(
  what: string,
  seconds: number,
  ask: () => T | undefined | false | Promise<T | undefined | false>,
): Promise<T> {
  const end = performance.now() + seconds * 1000;
  let last: unknown;
  while (performance.now() < end) {
    try {
      const answer = await ask();
      if (answer !== undefined && answer !== false) return answer;
      last = answer;
    } catch (error) {
      last = error;
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`${what}: not within ${seconds} s; last: ${String(last)}`);
}
