/** Streams that were rejected and are about to end. */
import type { CloseReason, EventStream } from "./stream.ts";

/**
 * Streams that were told to come back later. They hold no place among the admitted streams, so they need a bound of their
 * own. A client that does not read its few bytes and leave is cut soon, and when there are many, further ones are cut at
 * once.
 */
export class RejectedStreams {
  readonly #max: number;
  readonly #lingerMs: number;
  #size = 0;

  /** @param lingerMs how long a client may take to leave. */
  constructor(max: number, lingerMs = 2000) {
    this.#max = max;
    this.#lingerMs = lingerMs;
  }

  get size(): number {
    return this.#size;
  }

  get isFull(): boolean {
    return this.#size >= this.#max;
  }

  /** Tells the client why and when to come back, and ends the stream. */
  add(stream: EventStream, reason: CloseReason, retryMs: number): void {
    this.#size++;
    const cut = setTimeout(() => stream.drop(reason), this.#lingerMs);
    cut.unref();
    stream.onClose(() => {
      clearTimeout(cut);
      this.#size--;
    });
    stream.end(reason, retryMs);
  }
}
