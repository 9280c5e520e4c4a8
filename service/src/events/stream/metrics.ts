import type { StreamMetrics } from "../../platform/metrics.ts";

/** What the events tell whoever counts. */
export type EventsMetrics = StreamMetrics;

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
