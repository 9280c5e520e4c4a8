/** The event log as everything above it sees it. */
import type { Position } from "./cursor.ts";

/** An event as a publisher gives it; `data` is JSON text. */
export interface NewEvent {
  readonly topic: string;
  readonly type: string;
  readonly data: string;
}

/** How much of the log's budget an event takes: its texts, and about what is kept beside them. */
export const costOf = ({ topic, type, data }: NewEvent): number =>
  Buffer.byteLength(topic) + Buffer.byteLength(type) + Buffer.byteLength(data) + ENTRY_OVERHEAD;
export const ENTRY_OVERHEAD = 64;

/** How long an idempotency key is remembered, in seconds. */
export const IDEMPOTENCY_SECONDS = 86_400;

/** About the most that one read of the log returns, in bytes: a hundred of the longest entries would be too much. */
export const PAGE_BYTES = 524_288;

/** An event in the log. */
export interface LogEntry extends NewEvent {
  readonly epoch: string;
  /** `<ms>-<seq>`, strictly increasing within the epoch. */
  readonly id: string;
  /** 1 for the first entry of the epoch, then counting up. A jump means that the reader missed entries. */
  readonly number: number;
}

export interface LogState {
  readonly epoch: string;
  /** The oldest entry that is kept; undefined when none is. */
  readonly first: string | undefined;
  /** The newest id ever given in this epoch, also when its entry is gone; `0-0` before the first. */
  readonly last: string;
  /** Events appended in this epoch. */
  readonly count: number;
  /** Events kept. */
  readonly length: number;
  /** How much of the budget they take, in bytes. */
  readonly bytes: number;
}

/** State and entries of the same moment: nothing was trimmed in between. */
export interface LogPage {
  readonly state: LogState;
  readonly entries: readonly LogEntry[];
}

/**
 * Replicas share a log in Redis; `npm run dev` has one in its process. Every method rejects when the log cannot be reached in
 * time, and then promises nothing.
 */
export interface EventLog {
  /**
   * Appends an event, and resolves when it is on disk. With `idempotencyKey` (any text, remembered for 24 h, or until there
   * are too many newer keys, of which those of the same `publisher` count first) the same event is appended once, however often this is called, on whichever replica, and
   * whatever became of the calls before. All calls that succeed resolve to the same position. @throws LogUnavailableError, IdempotencyKeyReusedError
   */
  append(event: NewEvent, idempotencyKey?: string, publisher?: string): Promise<Position>;
  /** The state. A log without an epoch gets one. */
  state(): Promise<LogState>;
  /** Up to `limit` entries after `after`, and about `maxBytes` of them, oldest first; `PAGE_BYTES` when left out. */
  page(after: string, limit: number, maxBytes?: number): Promise<LogPage>;
  /** The newest `limit` entries, and about `maxBytes` of them, oldest first. */
  tail(limit: number, maxBytes: number): Promise<LogPage>;
  /** Waits up to `blockMs` for entries after `after`: up to `limit`, and about `PAGE_BYTES` of them. For one caller at a time. */
  wait(after: string, limit: number, blockMs: number): Promise<readonly LogEntry[]>;
  /** Starts to connect and returns at once. Calls reject until the log is reached. */
  open(): void;
  close(): void;
}

/** The log cannot promise anything now. Try again after `retryAfterSeconds`. */
export class LogUnavailableError extends Error {
  readonly retryAfterSeconds: number;

  constructor(reason: string, options: { cause?: unknown } = {}) {
    super(`the event log is not available: ${reason}`, options);
    this.name = "LogUnavailableError";
    this.retryAfterSeconds = 1 + Math.floor(Math.random() * 3);
  }
}

/** The key belongs to an event with another topic, type or data. */
export class IdempotencyKeyReusedError extends Error {
  constructor() {
    super("the key was used for another event");
    this.name = "IdempotencyKeyReusedError";
  }
}
