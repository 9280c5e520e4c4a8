/** One open stream. */
import { randomUUID } from "node:crypto";
import type { Writable } from "node:stream";
import { between } from "../../platform/deadline.ts";
import type { Parts } from "./delivery.ts";
import { encodeBlock } from "./frame.ts";
import type { TopicFilter } from "./topics.ts";

/** Why a stream ended. */
export type CloseReason =
  "client" | "age" | "draining" | "busy" | "slow" | "stalled" | "unfinished" | "revoked";

export interface StreamLimits {
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
  "write" | "cork" | "uncork" | "end" | "destroy" | "destroyed" | "writableLength"
> & { on(event: "error" | "close", listener: () => void): unknown };

/** Written to hear when all before it is out. */
const nothing = Buffer.alloc(0);

/** How long an ended stream may take to send its last bytes, in ms. */
const LINGER_MS = 10_000;

/**
 * One SSE connection: its writes, and its bounds. It has no timer of its own; `Streams` calls `check`.
 *
 * A socket's `write` buffers without limit. So whoever sends events sends no more while the client has not taken those
 * before (`isWaiting`, `whenTaken`), and goes on from there later.
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
  /** The fan-out goes on without this stream, which has got everything up to this id. Undefined when it keeps up. */
  behindFrom: string | undefined;
  /** True from when it joins the fan-out. */
  isLive = false;
  bytes = 0;
  /** Whether the stream has to frame the body's chunks itself (RFC 9112 7.1). */
  readonly isChunked: boolean;
  readonly #sink: Sink;
  readonly #limits: StreamLimits;
  readonly #expiresAt: number;
  /** What was handed to the socket, in bytes, and how much of it was out when that was last looked at. */
  #handed = 0;
  #outThen = 0;
  #waitsSince: number | undefined;
  #endedAt = 0;
  #reason: CloseReason | undefined;
  #isClosed = false;
  #onClose: (() => void)[] = [];

  constructor(sink: Sink, isChunked: boolean, filter: TopicFilter, limits: StreamLimits) {
    this.#sink = sink;
    this.isChunked = isChunked;
    this.filter = filter;
    this.#limits = limits;
    this.#expiresAt = this.openedAt + between(0.8, 1) * limits.maxAgeMs;
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

  /** The client has not taken all that was sent. */
  get isWaiting(): boolean {
    return this.#sink.writableLength > 0;
  }

  send(what: Parts | string): void {
    if (this.isOver) return;
    if (typeof what === "string") return this.#write(this.isChunked ? asChunk(what) : what);
    const pieces = this.isChunked ? what.chunked : what.plain;
    const [only] = pieces;
    if (!only) return;
    if (pieces.length === 1) return this.#write(only);
    this.#sink.cork();
    for (const piece of pieces) this.#write(piece);
    this.#sink.uncork();
  }

  #write(piece: Buffer | string): void {
    const length = typeof piece === "string" ? Buffer.byteLength(piece) : piece.length;
    this.bytes += length;
    this.#handed += length;
    this.#sink.write(piece);
  }

  /** Calls back when the client has taken what was sent, or the stream is over. Not before this returns. */
  whenTaken(listener: () => void): void {
    if (!this.isWaiting || this.isOver || this.#isClosed) queueMicrotask(listener);
    else this.#sink.write(nothing, () => listener());
  }

  /** Resolves when the client has taken what was sent, or the stream is over. */
  async taken(): Promise<void> {
    if (this.isWaiting) await new Promise<void>((resolve) => this.whenTaken(resolve));
  }

  /** Since when the client has taken nothing of what waits for it, as far as that was looked at; in ms of `now`. */
  waitsSince(now: number): number | undefined {
    const waiting = this.#sink.writableLength;
    const out = this.#handed - waiting;
    if (waiting === 0) this.#waitsSince = undefined;
    else if (this.#waitsSince === undefined || out !== this.#outThen) this.#waitsSince = now;
    this.#outThen = out;
    return this.#waitsSince;
  }

  /** Says farewell with a reconnection time, in ms, and ends the body, after which EventSource comes back. */
  end(reason: CloseReason, retryMs: number): void {
    if (this.isOver) return;
    const retry = Math.round(retryMs);
    this.send(encodeBlock({ retry, event: "bye", data: JSON.stringify({ reason, retryMs: retry }) }));
    if (this.isOver) return;
    this.#reason = reason;
    this.#endedAt = Date.now();
    this.#sink.end(this.isChunked ? "0\r\n\r\n" : "");
  }

  /** Ends cleanly. EventSource comes back with its present credential, or is told by 204 to stay away. */
  revoke(): void {
    this.end("revoked", between(500, 2000));
  }

  drop(reason: CloseReason): void {
    this.#reason ??= reason;
    this.#sink.destroy();
  }

  /** Enforces age and progress. @param now in ms since 1970. @returns whether a heartbeat may follow. */
  check(now: number): boolean {
    if (this.#endedAt > 0) {
      if (now - this.#endedAt > LINGER_MS) this.#sink.destroy();
      return false;
    }
    if (this.isOver) return false;
    const time = performance.now();
    const since = this.waitsSince(time);
    if (since !== undefined && time - since > this.#limits.stallMs) {
      this.drop("stalled");
      return false;
    }
    // Also one that always has something to take: it gets the farewell behind that, or is cut after LINGER_MS.
    if (now > this.#expiresAt) {
      this.end("age", between(500, 2000));
      return false;
    }
    return since === undefined;
  }

  #closed(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const listeners = this.#onClose;
    this.#onClose = [];
    for (const listener of listeners) listener();
  }
}

const ignore = (): void => undefined;

const asChunk = (text: string): string => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;
