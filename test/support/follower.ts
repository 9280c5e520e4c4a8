/** A client of an event stream that keeps nothing but the ids it has seen: for many streams and large events. */
import { get, type ClientRequest } from "node:http";

export interface Follower {
  /** The ids of complete events, in the order of arrival. */
  readonly ids: readonly string[];
  /** Whether a connection follows the log now. */
  readonly isLive: boolean;
  /** Why the service ended connections, as it said itself. */
  readonly farewells: readonly string[];
  close(): void;
}

const BLOCK_END = "\n\n";

/** Reads all that comes, and comes back with its last id whenever the stream ends. */
export function follow(url: string): Follower {
  const ids: string[] = [];
  const farewells: string[] = [];
  let lastId = "";
  let isLive = false;
  let isClosed = false;
  let current: ClientRequest | undefined;
  const connect = (): void => {
    let rest = "";
    let isOver = false;
    const end = (): void => {
      if (isOver) return;
      isOver = true;
      isLive = false;
      if (!isClosed) setTimeout(connect, 100 + Math.random() * 400);
    };
    const take = (block: string): void => {
      // The data is long and comes last, so only the beginning is looked at.
      const head = block.slice(0, 300);
      const id = /^id: (.+)$/m.exec(head)?.[1];
      const event = /^event: (.+)$/m.exec(head)?.[1];
      if (event === "bye") farewells.push(/"reason":"(\w+)"/.exec(head)?.[1] ?? "");
      if (id === undefined) return;
      lastId = id;
      isLive = true;
      if (event !== "hb") ids.push(id);
    };
    const headers = { accept: "text/event-stream", ...(lastId ? { "last-event-id": lastId } : {}) };
    current = get(url, { agent: false, headers }, (response) => {
      response.setEncoding("latin1").on("data", (chunk: string) => {
        const text = rest + chunk;
        let from = 0;
        // The last character of what was there before may be the first of the two.
        let at = text.indexOf(BLOCK_END, Math.max(0, rest.length - 1));
        for (; at >= 0; at = text.indexOf(BLOCK_END, from)) {
          take(text.slice(from, at));
          from = at + BLOCK_END.length;
        }
        rest = text.slice(from);
      });
      response.on("end", end).on("error", end).on("close", end);
    });
    current.on("error", end);
  };
  connect();
  return {
    ids,
    farewells,
    get isLive() {
      return isLive;
    },
    close() {
      isClosed = true;
      current?.destroy();
    },
  };
}
