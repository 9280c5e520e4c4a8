/** All open streams of the process. */
import { between, pause } from "../../platform/deadline.ts";
import type { EventsMetrics } from "./metrics.ts";
import type { EventStream } from "./stream.ts";

const MAX_TICK_MS = 500;
/** Streams whose ends are less than this apart, in ms, end together, well within a second of their time. */
const END_STEP_MS = 250;

/**
 * All open streams of the process, with one timer for all of them. The timer turns a wheel of slots and visits each slot
 * once in a heartbeat interval, so that the work is spread.
 */
export class Streams {
  readonly #slots: Set<EventStream>[];
  readonly #timer: NodeJS.Timeout;
  /** Streams that must end at a time, by that time in ms since 1970. */
  readonly #ending = new Map<number, Set<EventStream>>();
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
    const tickMs = Math.min(MAX_TICK_MS, Math.max(20, Math.round(heartbeatMs / 30)));
    this.#slots = Array.from(
      { length: Math.max(1, Math.round(heartbeatMs / tickMs)) },
      () => new Set<EventStream>(),
    );
    this.#timer = setInterval(() => {
      const now = Date.now();
      this.#hand = (this.#hand + 1) % this.#slots.length;
      for (const stream of this.#slots[this.#hand] ?? []) if (stream.check(now)) heartbeat(stream);
      this.#endThose(now);
    }, tickMs);
    this.#timer.unref();
  }

  get size(): number {
    return this.#size;
  }

  /** A slot is visited once in a heartbeat, which is too seldom for streams that have to end at a time. */
  #endThose(now: number): void {
    for (const [at, streams] of this.#ending) {
      if (at > now) continue;
      for (const stream of streams) stream.end("age", between(500, 2000));
      this.#ending.delete(at);
    }
  }

  #endInTime(stream: EventStream, endsAt: number): void {
    const at = Math.ceil(endsAt / END_STEP_MS) * END_STEP_MS;
    let streams = this.#ending.get(at);
    if (!streams) this.#ending.set(at, (streams = new Set()));
    const together = streams;
    together.add(stream);
    stream.onClose(() => {
      together.delete(stream);
      if (together.size === 0 && this.#ending.get(at) === together) this.#ending.delete(at);
    });
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
    // The next slot, so that consecutive streams get their first heartbeats at different times.
    this.#next = (this.#next + 1) % this.#slots.length;
    const slot = this.#slots[this.#next];
    slot?.add(stream);
    this.#size++;
    this.#metrics.opened();
    if (stream.endsAt !== undefined) this.#endInTime(stream, stream.endsAt);
    stream.onClose(() => {
      if (!slot?.delete(stream)) return;
      this.#size--;
      const { reason } = stream;
      if (reason === "slow" || reason === "stalled") this.#metrics.dropped(reason);
      this.#metrics.closed(reason, Date.now() - stream.openedAt, stream.bytes);
    });
  }

  /**
   * Ends all streams in random order, evenly over `ms`, each with a random reconnection time. From now on new streams are
   * told to come back later.
   */
  async farewell(ms: number): Promise<void> {
    this.#drain.abort();
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

  /** Ends the remaining streams at once, without the farewell. */
  close(): void {
    clearInterval(this.#timer);
    for (const stream of this) stream.drop("unfinished");
  }
}
