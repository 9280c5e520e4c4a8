/**
 * What the events code tells about its streams, without knowing who counts: `platform/prometheus.ts` does in the
 * service, nobody does where no metrics are given.
 *
 * The calls are cheap (a counter, no allocation worth naming) and never throw. None takes an id, a topic or an address:
 * labels have few values, or the monitoring drowns in them.
 */
export interface StreamMetrics {
  /** A stream was accepted; also one that is turned away within it. */
  opened(): void;
  /** A stream ended, once for each `opened`. */
  closed(reason: string, seconds: number): void;
  /** A client was dropped because it took too little: beside `closed`, by what was exceeded. */
  dropped(reason: string): void;
  /** Events sent from memory or the log to a client that resumed. */
  replayed(events: number): void;
  /** A client was told to read its snapshot again. */
  reset(reason: string, streams: number): void;
  /** Events handed to streams by one fan-out: events times streams that wanted them. */
  delivered(events: number): void;
  /** Time from the event's id (Redis' clock) to its fan-out here, ms: once a fan-out, for its oldest event. */
  fanOutLag(ms: number): void;
}

const nothing = (): void => undefined;

export const noStreamMetrics: StreamMetrics = {
  opened: nothing,
  closed: nothing,
  dropped: nothing,
  replayed: nothing,
  reset: nothing,
  delivered: nothing,
  fanOutLag: nothing,
};
