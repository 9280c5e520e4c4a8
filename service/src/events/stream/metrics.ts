/** What the events code counts. */
import type { StreamMetrics } from "../../platform/metrics.ts";

/** What the events code reports to the metrics. */
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
