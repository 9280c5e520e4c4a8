/** How much may be on its way into the log. */
import type { EventsConfig } from "../../platform/env/config.ts";
import { LogUnavailableError, type NewEvent } from "./log.ts";

/** What an append takes beside its texts, in bytes: its promises, its arguments and its place in a batch. */
const APPEND_OVERHEAD = 1024;

/**
 * Counts appends, in number and in bytes, until nothing holds their texts any longer. Who asked for one may have given up
 * long before: a deadline ends the waiting, not the work.
 */
export class PendingAppends {
  readonly #limits: Pick<EventsConfig, "maxPendingAppends" | "appendBytes">;
  #number = 0;
  #bytes = 0;

  constructor(limits: Pick<EventsConfig, "maxPendingAppends" | "appendBytes">) {
    this.#limits = limits;
  }

  /** Begins an append and counts it until it settles. @throws LogUnavailableError when there is no room for it. */
  begin<T>(event: NewEvent, append: () => Promise<T>): Promise<T> {
    // With one character that is not Latin, V8 keeps two bytes for each. To look for one in all of it takes longer.
    const bytes = APPEND_OVERHEAD + 2 * event.data.length;
    const { maxPendingAppends, appendBytes } = this.#limits;
    if (this.#number >= maxPendingAppends || this.#bytes + bytes > appendBytes)
      throw new LogUnavailableError("too many appends wait");
    this.#number++;
    this.#bytes += bytes;
    return append().finally(() => {
      this.#number--;
      this.#bytes -= bytes;
    });
  }
}
