/**
 * Behaves like a page in a browser: its stream and its requests share one HTTP/2 connection, until the edge says on it
 * that it accepts no more requests (GOAWAY, RFC 9113 6.8).
 */
import { type ClientHttp2Session, connect, constants } from "node:http2";
import type { Refusal } from "./stalls.ts";

/** The pause between two requests, ms. */
const PAUSE = 50;
/** What a failure quotes of an answer: enough for a whole problem, which says why. */
const ANSWER_CHARACTERS = 400;

/** A request that failed. `why`: the begin of the answer, or the error. */
export interface PageFailure extends Refusal {
  readonly method: string;
}

export interface PageResult {
  /** How many requests were answered with 2xx. */
  readonly answered: number;
  readonly failures: readonly PageFailure[];
  /** How often the stream was opened, and how often the answer was not 200. */
  readonly streams: number;
  readonly refusals: number;
  readonly connections: number;
}

export interface Page {
  /** Stops asking and waits for the requests in flight. */
  stop(): Promise<PageResult>;
}

/** @param url of the edge. GET /api/diag and POST /api/events take turns. */
export function openPage(url: string): Page {
  const failures: PageFailure[] = [];
  let [answered, streams, refusals, connections, turn, underWay, isStopping] = [0, 0, 0, 0, 0, 0, false];
  let current: ClientHttp2Session | undefined;
  const sessions = new Set<ClientHttp2Session>();

  const session = (): ClientHttp2Session => {
    if (current && !current.closed && !current.destroyed) return current;
    const made = connect(url, { rejectUnauthorized: false });
    connections += 1;
    sessions.add(made);
    const leave = (): void => void (current = current === made ? undefined : current);
    made.on("goaway", leave).on("error", leave);
    made.on("close", () => {
      leave();
      sessions.delete(made);
    });
    return (current = made);
  };

  const follow = (): void => {
    if (isStopping) return;
    streams += 1;
    let retry = 1000;
    const stream = session().request({ ":path": "/api/events", accept: "text/event-stream" });
    stream.on("response", ({ ":status": status }) => {
      if (status !== 200) refusals += 1;
    });
    stream.setEncoding("utf8").on("data", (text: string) => {
      retry = Number(/^retry: ?(\d+)/m.exec(text)?.[1] ?? retry);
    });
    // The close that follows reports the same error.
    stream.on("error", () => undefined);
    stream.on("close", () => setTimeout(follow, retry));
  };

  const ask = (method: "GET" | "POST"): void => {
    underWay += 1;
    const at = Date.now();
    const [path, type] = method === "GET" ? ["/api/diag"] : ["/api/events", "application/json"];
    const stream = session().request({
      ...{ ":method": method, ":path": path },
      ...(type === undefined ? {} : { "content-type": type }),
    });
    stream.end(method === "POST" ? JSON.stringify({ type: "of-a-page", data: 1 }) : undefined);
    let [status, answer, broken] = [0, "", ""];
    stream.on("response", (headers) => (status = headers[":status"] ?? 0));
    stream.setEncoding("utf8").on("data", (part: string) => {
      if (answer.length < ANSWER_CHARACTERS) answer += part;
    });
    stream.on("error", (error: Error) => (broken = error.message));
    stream.on("close", () => {
      underWay -= 1;
      if (status >= 200 && status < 300 && broken === "") answered += 1;
      // The edge says that it has not processed the request, so every client may send it again, even a POST.
      else if (status === 0 && stream.rstCode === constants.NGHTTP2_REFUSED_STREAM) ask(method);
      else failures.push({ method, status, at, ms: Date.now() - at, why: broken || answer });
    });
  };

  follow();
  const timer = setInterval(() => ask(turn++ % 2 === 0 ? "GET" : "POST"), PAUSE);
  return {
    async stop() {
      isStopping = true;
      clearInterval(timer);
      for (const end = performance.now() + 30_000; underWay > 0 && performance.now() < end;)
        await new Promise((resolve) => setTimeout(resolve, PAUSE));
      sessions.forEach((each) => each.destroy());
      if (underWay > 0)
        failures.push({ method: "", status: 0, at: Date.now(), ms: 0, why: `${underWay} without an answer` });
      return { answered, failures, streams, refusals, connections };
    },
  };
}
