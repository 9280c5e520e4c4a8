import type { Position } from "./cursor.ts";

/** An event as a publisher gives it; `data` is JSON text. */
export interface NewEvent {
  readonly topic: string;
  readonly type: string;
  readonly data: string;
}

/** What an event takes of the log's budget: its texts, and about what is kept beside them. */
export const costOf = ({ topic, type, data }: NewEvent): number =>
  Buffer.byteLength(topic) + Buffer.byteLength(type) + Buffer.byteLength(data) + entryOverhead;
export const entryOverhead = 64;

/** How long an idempotency key is known, s. */
export const idempotencySeconds = 86_400;

/** About the most that one read of the log returns, bytes: entries are bounded in length, but a hundred long ones are many. */
export const pageBytes = 524_288;

/** An event in the log. */
export interface LogEntry extends NewEvent {
  readonly epoch: string;
  /** `<ms>-<seq>`, strictly increasing within the epoch. */
  readonly id: string;
  /** 1 for the first of the epoch, and one more for each: a jump means that entries were lost to the reader. */
  readonly number: number;
}

export interface LogState {
  readonly epoch: string;
  /** Oldest entry kept; undefined when none is. */
  readonly first: string | undefined;
  /** The newest id ever given in this epoch, also when its entry is gone; `0-0` before the first. */
  readonly last: string;
  /** Events appended in this epoch. */
  readonly count: number;
  /** Events kept. */
  readonly length: number;
  /** What these take of the budget, bytes. */
  readonly bytes: number;
}

/** State and entries of one moment: nothing was trimmed between reading the one and the other. */
export interface LogPage {
  readonly state: LogState;
  readonly entries: readonly LogEntry[];
}

/**
 * The event log. Replicas share one in Redis; `npm run dev` puts one in the process beside it.
 * Every method rejects when the log cannot be reached in time, and then promises nothing.
 */
export interface EventLog {
  /**
   * Appends; resolves once the event is on disk. With `idempotencyKey` (any text, kept for 24 h, or until as many
   * others came as there is room for) the same event is appended once
   * however often this is called, on whichever replica, and whatever became of the calls before: all that succeed
   * resolve to the same position. @throws LogUnavailableError, IdempotencyKeyReusedError
   */
  append(event: NewEvent, idempotencyKey?: string): Promise<Position>;
  /** The state; gives a log without an epoch one. */
  state(): Promise<LogState>;
  /** Up to `limit` entries after `after`, and about `pageBytes` of them, oldest first. */
  page(after: string, limit: number): Promise<LogPage>;
  /** The newest `limit` entries, and about `maxBytes` of them, oldest first. */
  tail(limit: number, maxBytes: number): Promise<LogPage>;
  /** Waits up to `blockMs` for entries after `after`: up to `limit`, and about `pageBytes` of them. For one caller at a time. */
  wait(after: string, limit: number, blockMs: number): Promise<readonly LogEntry[]>;
  /** Starts to connect, and returns: what is called before it is reached rejects. */
  open(): void;
  close(): void;
}

/** The log cannot promise anything now: to be tried again, `retryAfterSeconds` from now. */
export class LogUnavailableError extends Error {
  readonly retryAfterSeconds: number;

  constructor(reason: string, options: { cause?: unknown } = {}) {
    super(`the event log is not available: ${reason}`, options);
    this.name = "LogUnavailableError";
    this.retryAfterSeconds = 1 + Math.floor(Math.random() * 3);
  }
}

/** The idempotency key belongs to an event with another topic, type or data. */
export class IdempotencyKeyReusedError extends Error {
  constructor() {
    super("the key was used for another event");
    this.name = "IdempotencyKeyReusedError";
  }
}
