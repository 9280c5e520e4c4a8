/** A client and a parser of event streams that follow the text of the specification. */
import { Agent, request, type ClientRequest, type IncomingMessage } from "node:http";
import { PATIENCE_MS, WaitError } from "./wait.ts";

export interface Received {
  readonly id: string | undefined;
  readonly event: string;
  readonly data: string;
}

/** The parser of WHATWG HTML 9.2.6, written from the text and independent of the encoder under test. */
export class SpecParser {
  readonly events: Received[] = [];
  retry: number | undefined;
  lastEventId = "";
  comments = 0;
  #rest = "";
  #data: string[] = [];
  #event = "";
  #id = "";
  #isAfterCr = false;

  push(text: string): void {
    let chunk = text;
    if (this.#isAfterCr && chunk.startsWith("\n")) chunk = chunk.slice(1);
    if (chunk !== "") this.#isAfterCr = chunk.endsWith("\r");
    this.#rest += chunk;
    for (;;) {
      const end = /\r\n|\r|\n/.exec(this.#rest);
      if (!end) return;
      const line = this.#rest.slice(0, end.index);
      this.#rest = this.#rest.slice(end.index + end[0].length);
      this.#line(line);
    }
  }

  #line(line: string): void {
    if (line === "") return this.#dispatch();
    const colon = line.indexOf(":");
    if (colon === 0) return void this.comments++;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "data") this.#data.push(value);
    else if (field === "event") this.#event = value;
    else if (field === "id" && !value.includes("\0")) this.#id = value;
    else if (field === "retry" && /^\d+$/.test(value)) this.retry = Number(value);
  }

  /** The id is valid only from here on, because a block that was cut off after its id line was not received. */
  #dispatch(): void {
    this.lastEventId = this.#id;
    if (this.#data.length > 0) {
      const id = this.lastEventId === "" ? undefined : this.lastEventId;
      this.events.push({ id, event: this.#event || "message", data: this.#data.join("\n") });
    }
    this.#data = [];
    this.#event = "";
  }
}

const agent = new Agent({ keepAlive: false, maxSockets: Infinity });

/** A client that keeps the events it gets, so that tests can check them. */
export class SseClient {
  readonly parser = new SpecParser();
  readonly ended: Promise<"end" | "cut">;
  response: IncomingMessage | undefined;
  endedAt = 0;
  readonly #request: ClientRequest;
  #wake: (() => void)[] = [];

  constructor(url: string, headers: Record<string, string> = {}) {
    const { promise, resolve } = Promise.withResolvers<"end" | "cut">();
    this.ended = promise;
    this.#request = request(
      url,
      { agent, headers: { accept: "text/event-stream", ...headers } },
      (response) => {
        this.response = response;
        response.setEncoding("utf8");
        response.on("data", (text: string) => {
          this.parser.push(text);
          this.#notify();
        });
        response.on("error", () => undefined);
        response.on("close", () => {
          this.endedAt = Date.now();
          resolve(response.complete ? "end" : "cut");
          this.#notify();
        });
        this.#notify();
      },
    );
    this.#request.on("error", () => resolve("cut"));
    this.#request.end();
  }

  #notify(): void {
    const waiting = this.#wake;
    this.#wake = [];
    for (const wake of waiting) wake();
  }

  /** The events that publishers sent, without those of the service itself. */
  get published(): Received[] {
    return this.parser.events.filter(({ event }) => !["hb", "bye", "reset"].includes(event));
  }

  get resets(): Received[] {
    return this.parser.events.filter(({ event }) => event === "reset");
  }

  /** Waits until `isTrue`, and checks it whenever something arrives. @throws WaitError where it is not true in time. */
  async until(what: string, isTrue: (client: SseClient) => boolean, ms = PATIENCE_MS): Promise<this> {
    const end = Date.now() + ms;
    while (!isTrue(this)) {
      if (Date.now() > end) {
        throw new WaitError(what, ms, `; got ${JSON.stringify(this.parser.events.slice(-5))}`);
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 100);
        this.#wake.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
    return this;
  }

  /** Waits until the stream's position has arrived: all events that are posted from then on will arrive. */
  joined(): Promise<this> {
    return this.until("joined", ({ parser }) => parser.lastEventId !== "");
  }

  close(): void {
    this.#request.destroy();
  }
}
