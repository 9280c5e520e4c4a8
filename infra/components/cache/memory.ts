/** How the memory of Redis is divided: by what a Redis filled to each of these needed at most, see docs/decisions. */

/** What of the limit each may use, in MiB or bytes as the name says. */
export interface CacheMemory {
  /**
   * All data and the connections' buffers together, MiB. Redis' own count: what the process takes for it is up to 1.8
   * times that while the log is written and trimmed, and a rewrite of the append-only file or a snapshot copies pages
   * besides.
   */
  readonly maxmemory: number;
  /** The event log, bytes. The other half of maxmemory is kept for sessions, revocations, limits and buffers. */
  readonly eventLog: number;
}

/** @param memory the limit in MiB. */
export const planCacheMemory = (memory: number): CacheMemory => ({
  maxmemory: Math.floor(memory / 2),
  eventLog: Math.floor(memory / 4) * 1024 * 1024,
});
