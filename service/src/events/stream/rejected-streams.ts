import type { CloseReason, EventStream } from "./stream.ts";

/**
 * Streams that were told to come back later. They hold no place among those who were let in, so they need a bound of their
 * own: a client that does not take its few bytes and go is cut soon, and when many do so, further ones are cut at once.
 */
export class RejectedStreams {
  readonly #max: number;
  readonly #lingerMs: number;
  #size = 0;

  /** @param lingerMs how long one may take to go. */
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

  /** Says so, with a reconnection time of this client's own, and ends it. */
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
