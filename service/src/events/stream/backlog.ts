/** What clients that do not keep up may hold in memory, all together. */
import type { EventStream } from "./stream.ts";

/** In how many steps the window moves on. */
const STEPS = 16;

/**
 * The bytes of a fan-out are shared by all of its clients, and stay in memory as long as one of them has not taken them.
 * So what all of them hold is what was fanned out since the one began to wait that waits longest: when that is too much,
 * it is dropped. What is read from the log for one client is its own, and counted as such; of those clients, too, the one
 * that has waited longest goes first.
 *
 * A client that is dropped takes nothing, so it cannot be told (docs/decisions/0075-cut-streams.md). It comes back with its
 * last id, and loses nothing.
 */
export class Backlog {
  readonly #windowBytes: number;
  readonly #ownBytes: number;
  readonly #streams: Iterable<EventStream>;
  /** When each of the last steps was reached, in ms, the oldest first. */
  readonly #reached: number[] = [];
  #sinceStep = 0;
  /** Who holds how much of their own; the one that has waited longest comes first. */
  readonly #own = new Map<EventStream, number>();
  #held = 0;

  /** @param streams all of the process, also those that have not joined yet. */
  constructor(limitBytes: number, streams: Iterable<EventStream>) {
    this.#windowBytes = limitBytes / 2;
    this.#ownBytes = limitBytes / 2;
    this.#streams = streams;
  }

  /** Bytes that clients hold of their own. */
  get held(): number {
    return this.#held;
  }

  /** So much was just fanned out. */
  fannedOut(bytes: number, now: number = performance.now()): void {
    this.#sinceStep += bytes;
    if (this.#sinceStep < this.#windowBytes / STEPS) return;
    this.#sinceStep = 0;
    this.#reached.push(now);
    const oldest = this.#reached.length > STEPS ? this.#reached.shift() : undefined;
    for (const stream of this.#streams) {
      const since = stream.waitsSince(now);
      if (oldest !== undefined && since !== undefined && since <= oldest) stream.drop("slow");
    }
  }

  /** Resolves when the client has taken what it was sent of its own, or is gone. */
  async taken(stream: EventStream): Promise<void> {
    const bytes = stream.queuedBytes;
    if (bytes === 0 || stream.isOver) return;
    this.#own.set(stream, bytes);
    this.#held += bytes;
    for (const [oldest] of this.#own) {
      if (this.#held <= this.#ownBytes || oldest === stream) break;
      oldest.drop("slow");
      this.#release(oldest);
    }
    await stream.taken();
    this.#release(stream);
  }

  #release(stream: EventStream): void {
    this.#held -= this.#own.get(stream) ?? 0;
    this.#own.delete(stream);
  }
}
