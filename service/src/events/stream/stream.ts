import { randomUUID } from "node:crypto";
import type { Writable } from "node:stream";
import { between } from "../../platform/deadline.ts";
import { encodeBlock } from "./frame.ts";
import type { Shared } from "./shared.ts";
import type { TopicFilter } from "./topics.ts";

/** Why a stream ended. */
export type CloseReason =
  "client" | "age" | "draining" | "busy" | "slow" | "stalled" | "unfinished" | "revoked";

export interface StreamLimits {
  /** A client with more than this waiting, bytes, is dropped at the next write. */
  readonly bufferBytes: number;
  /** A client that takes nothing for this long, ms, is dropped. */
  readonly stallMs: number;
  /** Ended after a random 0.8 to 1.0 of this, ms. */
  readonly maxAgeMs: number;
  /** Ended then whatever its age, ms since 1970: with what it was opened with. */
  readonly endsAt?: number;
}

/** Where a stream writes to: a socket, or a response that is left to http. */
export type Sink = Pick<
  Writable,
  "write" | "end" | "destroy" | "destroyed" | "writableLength" | "writableNeedDrain"
> & { on(event: "drain" | "error" | "close", listener: () => void): unknown };

/** How long a stream that was ended may take to hand over its last bytes, ms. */
const lingerMs = 10_000;

/**
 * One SSE connection: writes, and what bounds it. It has no timer of its own; whoever keeps the streams calls `check`.
 *
 * `write` takes everything and buffers without limit, so a client that reads too slowly has to be dropped here; nothing
 * is lost by it, the client comes back with its last id.
 */
export class EventStream {
  readonly id = randomUUID().slice(0, 8);
  /** Replaced by an equal one when it joins a group: thousands of streams share one. */
  filter: TopicFilter;
  readonly openedAt = Date.now();
  /** What the page calls itself in its reports, if it said so. */
  client: string | undefined;
  /** Only events after this id go out: what a replay has sent already. Undefined once the fan-out is past it. */
  skipThrough: string | undefined;
  /** True from joining the fan-out on. */
  isLive = false;
  bytes = 0;
  readonly #sink: Sink;
  readonly #isChunked: boolean;
  readonly #limits: StreamLimits;
  readonly #expiresAt: number;
  #stalledSince = 0;
  #endedAt = 0;
  #reason: CloseReason | undefined;
  #isClosed = false;
  #onClose: (() => void)[] = [];
  #onDrain: (() => void)[] | undefined;

  /** @param isChunked true when this has to frame the body's chunks (RFC 9112 7.1). */
  constructor(sink: Sink, isChunked: boolean, filter: TopicFilter, limits: StreamLimits) {
    this.#sink = sink;
    this.#isChunked = isChunked;
    this.filter = filter;
    this.#limits = limits;
    this.#expiresAt = this.openedAt + between(0.8, 1) * limits.maxAgeMs;
    sink.on("drain", () => this.#drained());
    sink.on("close", () => this.#closed());
    // An error of the socket is followed by "close", which is all that matters.
    sink.on("error", ignore);
  }

  /** No more can be sent: ended here, or the client is gone. */
  get isOver(): boolean {
    return this.#reason !== undefined || this.#sink.destroyed;
  }

  get reason(): CloseReason {
    return this.#reason ?? "client";
  }

  get endsAt(): number | undefined {
    return this.#limits.endsAt;
  }

  get queuedBytes(): number {
    return this.#sink.writableLength;
  }

  /** Called once, when the connection is closed; at once when it is. @returns what takes the listener back. */
  onClose(listener: () => void): () => void {
    if (this.#isClosed) listener();
    else this.#onClose.push(listener);
    return () => {
      this.#onClose = this.#onClose.filter((other) => other !== listener);
    };
  }

  send(chunk: Shared | string): void {
    if (this.isOver) return;
    if (this.#sink.writableLength > this.#limits.bufferBytes) return this.drop("slow");
    this.bytes += chunk.length;
    const isTaken =
      typeof chunk !== "string"
        ? this.#sink.write(this.#isChunked ? chunk.chunked : chunk.plain)
        : this.#sink.write(this.#isChunked ? asChunk(chunk) : chunk);
    if (!isTaken && this.#stalledSince === 0) this.#stalledSince = Date.now();
  }

  /** Resolves when the client has taken what was sent, or the stream is over. */
  async drained(): Promise<void> {
    if (!this.#sink.writableNeedDrain || this.isOver || this.#isClosed) return;
    await new Promise<void>((resolve) => (this.#onDrain ??= []).push(resolve));
  }

  /** Says good-bye with a reconnection time, ms, of this client's own, and ends the body: EventSource comes back. */
  end(reason: CloseReason, retryMs: number): void {
    if (this.isOver) return;
    const retry = Math.round(retryMs);
    this.send(encodeBlock({ retry, event: "bye", data: JSON.stringify({ reason, retryMs: retry }) }));
    if (this.isOver) return;
    this.#reason = reason;
    this.#endedAt = Date.now();
    this.#sink.end(this.#isChunked ? "0\r\n\r\n" : "");
  }

  /** A clean end, after which EventSource comes back: as who it is then, or to be told by 204 to stay away. */
  revoke(): void {
    this.end("revoked", between(500, 2000));
  }

  drop(reason: CloseReason): void {
    this.#reason ??= reason;
    this.#sink.destroy();
  }

  /** Enforces age and progress. @returns true when a heartbeat may follow. */
  check(now: number): boolean {
    if (this.#endedAt > 0) {
      if (now - this.#endedAt > lingerMs) this.#sink.destroy();
      return false;
    }
    if (this.isOver) return false;
    if (this.#stalledSince > 0) {
      if (now - this.#stalledSince > this.#limits.stallMs) this.drop("stalled");
      return false;
    }
    if (now > this.#expiresAt) {
      this.end("age", between(500, 2000));
      return false;
    }
    return true;
  }

  #drained(): void {
    this.#stalledSince = 0;
    const waiting = this.#onDrain;
    this.#onDrain = undefined;
    for (const resolve of waiting ?? []) resolve();
  }

  #closed(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#drained();
    const listeners = this.#onClose;
    this.#onClose = [];
    for (const listener of listeners) listener();
  }
}

const ignore = (): void => undefined;

const asChunk = (text: string): string => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;
