/**
 * What the events code tells about its streams, without knowing who counts: `platform/prometheus.ts` does in the
 * service.
 *
 * The calls are cheap (a counter, no allocation worth naming) and never throw. None takes an id, a topic or an address:
 * labels have few values, or the monitoring drowns in them.
 */
export interface StreamMetrics {
  /** A stream was accepted; also one that is turned away within it. */
  opened(): void;
  /** A stream ended, once for each `opened`: after how long, ms, and so many bytes. */
  closed(reason: string, ms: number, bytes: number): void;
  /** A client was dropped because it took too little: beside `closed`, by what was exceeded. */
  dropped(reason: string): void;
  /** Events sent from memory or the log to a client that resumed. */
  replayed(events: number): void;
  /** So many streams, or one poll, were told to read their snapshot again. */
  reset(reason: string, streams: number): void;
  /** From the log's time of an event to its fan-out here, ms; off by what the clocks of the two machines differ. */
  lag(ms: number): void;
}
