/**
 * What the events code reports about its streams. It does not know who counts; in the service `platform/prometheus.ts`
 * does.
 *
 * The calls are cheap and never throw. None takes an id, a topic or an address, because labels may have few values only,
 * or the monitoring drowns in them.
 */
export interface StreamMetrics {
  /** A stream was accepted, or rejected within the stream itself. */
  opened(): void;
  /** A stream ended, once for each `opened`: after how many ms, and after how many bytes. */
  closed(reason: string, ms: number, bytes: number): void;
  /** A client was dropped because it read too slowly. Called beside `closed`, with the limit that it exceeded. */
  dropped(reason: string): void;
  /** Events sent from memory or the log to a client that resumed. */
  replayed(events: number): void;
  /** This number of streams, or one poll, was told to read its snapshot again. */
  reset(reason: string, streams: number): void;
  /** How long an event took from the log's time to its fan-out here, in ms, give or take the difference of the two clocks. */
  lag(ms: number): void;
}
