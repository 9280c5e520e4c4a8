/** A real HTTP proxy in front of the service, which does what proxies should not: takes away, holds back, answers in its place. */
import { createServer, request as send, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** What it does to what passes; what is left out passes as it is. */
export interface Oddity {
  /** Changes what the service gets. */
  readonly request?: (headers: IncomingHttpHeaders) => void;
  /** Changes what the page gets. */
  readonly answer?: (headers: IncomingHttpHeaders) => void;
  /** Answers in the service's place, or, where it does nothing, not at all. */
  readonly instead?: {
    readonly path: string;
    /** Default: all. */
    readonly method?: string;
    readonly answer: (response: ServerResponse) => void;
  };
  /** Holds event streams back: their bodies, or all of them; for so many ms, or until they end. */
  readonly holds?: { readonly what: "body" | "all"; readonly ms: number };
}

export interface OddProxy {
  /** Of the same site as the page, so that the session's cookie is one of its own. */
  readonly url: string;
  /** What it does from now on. */
  become(oddity: Oddity): void;
  close(): Promise<void>;
}

/** @param target the origin of whatever has this path. */
export async function startOddProxy(target: (path: string) => string): Promise<OddProxy> {
  let odd: Oddity = {};
  const server = createServer((incoming, outgoing) => {
    const { instead, holds } = odd;
    const { url = "/", method, headers } = incoming;
    const isMeant = url.split("?")[0] === instead?.path && method === (instead?.method ?? method);
    if (instead && isMeant && method !== "OPTIONS") return instead.answer(outgoing);
    odd.request?.(headers);
    const passed = send(new URL(url, target(url)), { method, headers }, (answer) => {
      odd.answer?.(answer.headers);
      const isStream = answer.headers["content-type"]?.startsWith("text/event-stream") === true;
      const begin = (): void => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
        outgoing.flushHeaders();
      };
      if (!isStream || !holds) return (begin(), void answer.pipe(outgoing));
      if (holds.what === "body") begin();
      const timer = setTimeout(() => {
        if (holds.what === "all") begin();
        answer.pipe(outgoing);
      }, holds.ms);
      outgoing.on("close", () => clearTimeout(timer));
    });
    passed.on("error", () => outgoing.destroy());
    outgoing.on("close", () => passed.destroy());
    incoming.pipe(passed);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://localhost:${(server.address() as AddressInfo).port}`,
    become: (oddity) => (odd = oddity),
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
