import { randomUUID } from "node:crypto";
import type { ServerResponse } from "node:http";
import { between } from "../platform/deadline.ts";
import { encodeBlock } from "./frame.ts";
import type { TopicFilter } from "./topics.ts";

/** Why a stream ended. */
export type CloseReason = "client" | "age" | "draining" | "busy" | "slow" | "stalled" | "unfinished";

export interface StreamLimits {
  /** A client with more than this waiting, bytes, is dropped at the next write. */
  readonly bufferBytes: number;
  /** A client that takes nothing for this long, ms, is dropped. */
  readonly stallMs: number;
  /** Ended after a random 0.8 to 1.0 of this, ms. */
  readonly maxAgeMs: number;
}

/** How long a stream that was ended may take to hand over its last bytes, ms. */
const lingerMs = 10_000;

/**
 * One SSE connection: writes, and what bounds it. It has no timer of its own; whoever keeps the streams calls `check`.
 *
 * `response.write` takes everything and buffers without limit, so a client that reads too slowly has to be dropped
 * here; nothing is lost by it, the client comes back with its last id.
 */
export class EventStream {
  readonly id = randomUUID().slice(0, 8);
  readonly filter: TopicFilter;
  readonly openedAt = Date.now();
  /** Only events after this id go out: what a replay has sent already. Undefined once the fan-out is past it. */
  skipThrough: string | undefined;
  /** True from joining the fan-out on. */
  isLive = false;
  bytes = 0;
  readonly #response: ServerResponse;
  readonly #limits: StreamLimits;
  readonly #expiresAt: number;
  #stalledSince = 0;
  #endedAt = 0;
  #reason: CloseReason | undefined;

  constructor(response: ServerResponse, filter: TopicFilter, limits: StreamLimits) {
    this.#response = response;
    this.filter = filter;
    this.#limits = limits;
    this.#expiresAt = this.openedAt + between(0.8, 1) * limits.maxAgeMs;
    response.on("drain", () => (this.#stalledSince = 0));
    // An error of the socket is followed by "close", which is all that matters.
    response.on("error", () => undefined);
  }

  /** No more can be sent: ended here, or the client is gone. */
  get isOver(): boolean {
    return this.#reason !== undefined || this.#response.destroyed;
  }

  get reason(): CloseReason {
    return this.#reason ?? "client";
  }

  get queuedBytes(): number {
    return this.#response.writableLength;
  }

  onClose(listener: () => void): void {
    this.#response.once("close", listener);
  }

  send(chunk: Buffer | string): void {
    if (this.isOver) return;
    if (this.#response.writableLength > this.#limits.bufferBytes) return this.drop("slow");
    this.bytes += chunk.length;
    if (!this.#response.write(chunk) && this.#stalledSince === 0) this.#stalledSince = Date.now();
  }

  /** Resolves when the client has taken what was sent, or the stream is over. */
  async drained(): Promise<void> {
    const response = this.#response;
    if (!response.writableNeedDrain || this.isOver) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        response.off("drain", done);
        response.off("close", done);
        resolve();
      };
      response.on("drain", done);
      response.on("close", done);
    });
  }

  /** Says good-bye with a reconnection time, ms, of this client's own, and ends the body: EventSource comes back. */
  end(reason: CloseReason, retryMs: number): void {
    if (this.isOver) return;
    const retry = Math.round(retryMs);
    this.send(encodeBlock({ retry, event: "bye", data: JSON.stringify({ reason, retryMs: retry }) }));
    if (this.isOver) return;
    this.#reason = reason;
    this.#endedAt = Date.now();
    this.#response.end();
  }

  drop(reason: CloseReason): void {
    this.#reason ??= reason;
    this.#response.destroy();
  }

  /** Enforces age and progress. @returns true when a heartbeat may follow. */
  check(now: number): boolean {
    if (this.#endedAt > 0) {
      if (now - this.#endedAt > lingerMs) this.#response.destroy();
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
}
