/** One open stream. */
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
  /** When the credential of the stream ends, in ms since 1970: the stream ends then, too. */
  readonly endsAt?: number;
}

/** Where a stream writes: a socket, or a response that http keeps. */
export type Sink = Pick<
  Writable,
  "write" | "end" | "destroy" | "destroyed" | "writableLength" | "writableNeedDrain"
> & { on(event: "drain" | "error" | "close", listener: () => void): unknown };

/** How long an ended stream may take to send its last bytes, in ms. */
const LINGER_MS = 10_000;

/**
 * One SSE connection: its writes, and its bounds. It has no timer of its own; `Streams` calls `check`.
 *
 * A socket's `write` buffers without limit, so a client that reads too slowly has to be dropped here. Nothing is lost by
 * that, because the client comes back with its last id.
 */
export class EventStream {
  readonly id = randomUUID().slice(0, 8);
  /** Replaced by an equal filter when the stream joins a group, so that thousands of streams share one. */
  filter: TopicFilter;
  readonly openedAt = Date.now();
  /** The page's name in its reports, if it said so. */
  client: string | undefined;
  /** Only events after this id go out, because a replay has sent the others. Undefined when the fan-out is past it. */
  skipThrough: string | undefined;
  /** True from when it joins the fan-out. */
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

  /** @param isChunked whether the stream has to frame the body's chunks itself (RFC 9112 7.1). */
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

  /** Nothing more can be sent: it was ended here, or the client is gone. */
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

  /** The listener is called once, when the connection closes, or at once. @returns a function that removes the listener */
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

  /** Says farewell with a reconnection time, in ms, and ends the body, after which EventSource comes back. */
  end(reason: CloseReason, retryMs: number): void {
    if (this.isOver) return;
    const retry = Math.round(retryMs);
    this.send(encodeBlock({ retry, event: "bye", data: JSON.stringify({ reason, retryMs: retry }) }));
    if (this.isOver) return;
    this.#reason = reason;
    this.#endedAt = Date.now();
    this.#sink.end(this.#isChunked ? "0\r\n\r\n" : "");
  }

  /** Ends cleanly. EventSource comes back with its present credential, or is told by 204 to stay away. */
  revoke(): void {
    this.end("revoked", between(500, 2000));
  }

  drop(reason: CloseReason): void {
    this.#reason ??= reason;
    this.#sink.destroy();
  }

  /** Enforces age and progress. @returns whether a heartbeat may follow. */
  check(now: number): boolean {
    if (this.#endedAt > 0) {
      if (now - this.#endedAt > LINGER_MS) this.#sink.destroy();
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
