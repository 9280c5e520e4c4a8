import { between, pause } from "../platform/deadline.ts";
import type { EventsMetrics } from "./metrics.ts";
import type { EventStream } from "./stream.ts";

/**
 * All open streams of the process, and the one timer for all of them: a wheel of slots, each visited once per heartbeat
 * interval, so that the work is spread instead of coming in one burst.
 */
export class Streams {
  readonly #slots: Set<EventStream>[];
  readonly #timer: NodeJS.Timeout;
  #hand = 0;
  #next = 0;
  #size = 0;
  readonly #metrics: EventsMetrics;
  readonly #drain = new AbortController();

  /**
   * @param heartbeatMs each stream is visited once in this time.
   * @param heartbeat sends one.
   */
  constructor(heartbeatMs: number, heartbeat: (stream: EventStream) => void, metrics: EventsMetrics) {
    this.#metrics = metrics;
    const tickMs = Math.max(20, Math.round(heartbeatMs / 30));
    this.#slots = Array.from(
      { length: Math.max(1, Math.round(heartbeatMs / tickMs)) },
      () => new Set<EventStream>(),
    );
    this.#timer = setInterval(() => {
      const now = Date.now();
      this.#hand = (this.#hand + 1) % this.#slots.length;
      for (const stream of this.#slots[this.#hand] ?? []) if (stream.check(now)) heartbeat(stream);
    }, tickMs);
    this.#timer.unref();
  }

  get size(): number {
    return this.#size;
  }

  get isDraining(): boolean {
    return this.#drain.signal.aborted;
  }

  /** Aborts when draining starts. */
  get draining(): AbortSignal {
    return this.#drain.signal;
  }

  *[Symbol.iterator](): IterableIterator<EventStream> {
    for (const slot of this.#slots) yield* slot;
  }

  add(stream: EventStream): void {
    // Behind the hand and round: the first heartbeat of consecutive streams comes at different times.
    this.#next = (this.#next + 1) % this.#slots.length;
    const slot = this.#slots[this.#next];
    slot?.add(stream);
    this.#size++;
    this.#metrics.opened();
    stream.onClose(() => {
      if (!slot?.delete(stream)) return;
      this.#size--;
      const { reason } = stream;
      if (reason === "slow" || reason === "stalled") this.#metrics.dropped(reason);
      this.#metrics.closed(reason);
    });
  }

  /** From now on new streams are told to come back elsewhere. */
  startDraining(): void {
    this.#drain.abort();
  }

  /** Ends all streams, in random order, evenly over `ms`, each with a reconnection time of its own. */
  async farewell(ms: number): Promise<void> {
    this.startDraining();
    const all = [...this]
      .map((stream) => ({ stream, order: Math.random() }))
      .sort((a, b) => a.order - b.order);
    const stepMs = 50;
    const steps = Math.max(1, Math.min(all.length, Math.floor(ms / stepMs)));
    for (let step = 0, sent = 0; step < steps; step++) {
      const until = Math.ceil((all.length * (step + 1)) / steps);
      for (; sent < until; sent++) all[sent]?.stream.end("draining", between(500, 3000));
      if (step + 1 < steps) await pause(ms / steps);
    }
  }

  /** Ends what is left at once, without the farewell. */
  close(): void {
    clearInterval(this.#timer);
    for (const stream of this) stream.drop("unfinished");
  }
}
