import type { ResetReason } from "./hub.ts";
import type { CloseReason } from "./stream.ts";

/** What the events tell whoever counts. */
export interface EventsMetrics {
  /** A stream was opened. */
  opened(): void;
  /** A stream was closed, also one that was turned away (busy, draining). */
  closed(reason: CloseReason): void;
  /** A stream was dropped because its client took too little (slow) or nothing (stalled); counted by `closed` too. */
  dropped(reason: CloseReason): void;
  /** Events were sent again to a client that resumed. */
  replayed(events: number): void;
  /** So many streams, or one poll, were told to read their snapshot again. */
  reset(reason: ResetReason, streams: number): void;
  /** From the log's time of the newest event to its fan-out, ms; off by what the clocks of the two machines differ. */
  lag(ms: number): void;
}

const nothing = (): void => undefined;

/** Counts nothing. */
export const noMetrics: EventsMetrics = {
  opened: nothing,
  closed: nothing,
  dropped: nothing,
  replayed: nothing,
  reset: nothing,
  lag: nothing,
};
