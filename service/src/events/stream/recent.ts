/** The newest events, in memory. */
import { compareIds } from "../log/cursor.ts";
import type { Delivery } from "./delivery.ts";

/**
 * The newest events of the epoch, without a hole, so that most resuming clients cost no read of the log. After a restart of
 * the edge, thousands of them come within seconds, with cursors that are seconds old.
 */
export class RecentEvents {
  readonly #maxEvents: number;
  readonly #maxBytes: number;
  /** Without those before `#start`. */
  #events: (Delivery | undefined)[] = [];
  #start = 0;
  #bytes = 0;
  /** All events of the epoch after this id are here. */
  #floor = "";

  constructor(maxEvents: number, maxBytes: number) {
    this.#maxEvents = maxEvents;
    this.#maxBytes = maxBytes;
  }

  /** Forgets everything; from now on events after `floor` are kept. */
  restart(floor: string): void {
    this.#events = [];
    this.#start = 0;
    this.#bytes = 0;
    this.#floor = floor;
  }

  add(delivery: Delivery): void {
    this.#events.push(delivery);
    this.#bytes += delivery.frame.length;
    while (this.#events.length - this.#start > this.#maxEvents || this.#bytes > this.#maxBytes) {
      const oldest = this.#events[this.#start];
      if (!oldest) break;
      // Its place stays for a while, and must not keep its bytes until then.
      this.#events[this.#start++] = undefined;
      this.#bytes -= oldest.frame.length;
      this.#floor = oldest.id;
    }
    // Removing from the front of an array costs its whole length, so it is done now and then.
    if (this.#start > 1024 && this.#start * 2 > this.#events.length) {
      this.#events = this.#events.slice(this.#start);
      this.#start = 0;
    }
  }

  /**
   * Up to `maxBytes` of the events after `id`, oldest first, but at least one when there is one. Undefined when some of them
   * are no longer here.
   */
  after(id: string, maxBytes: number): Delivery[] | undefined {
    if (compareIds(id, this.#floor) < 0) return undefined;
    let low = this.#start;
    let high = this.#events.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareIds((this.#events[middle] as Delivery).id, id) <= 0) low = middle + 1;
      else high = middle;
    }
    const found: Delivery[] = [];
    for (let bytes = 0; low < this.#events.length && bytes < maxBytes; low++) {
      const event = this.#events[low] as Delivery;
      found.push(event);
      bytes += event.frame.length;
    }
    return found;
  }
}
