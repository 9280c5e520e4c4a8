/** The event log of `npm run dev`: in this process and in one file. */
import type { EventsConfig } from "../src/platform/env/config.ts";
import { compareIds, type Position } from "../src/events/log/cursor.ts";
import {
  costOf,
  LogUnavailableError,
  IdempotencyKeyReusedError,
  IDEMPOTENCY_SECONDS,
  PAGE_BYTES,
  type EventLog,
  type LogEntry,
  type LogPage,
  type LogState,
  type NewEvent,
} from "../src/events/log/log.ts";
import { PendingAppends } from "../src/events/log/pending-appends.ts";
import { digest, fingerprint } from "../src/events/log/idempotency.ts";
import { reasonOf, withDeadline } from "../src/platform/deadline.ts";
import type { Logger } from "../src/platform/logging.ts";
import { Journal, type Contents, type Head, type Record } from "./journal.ts";

type FileLogConfig = Pick<
  EventsConfig,
  "retention" | "logBytes" | "appendDeadlineMs" | "maxPendingAppends" | "appendBytes"
>;

interface Pending {
  readonly event: NewEvent;
  readonly once: { readonly key: string; readonly print: string } | undefined;
  readonly resolve: (position: Position) => void;
  readonly reject: (error: Error) => void;
}

/**
 * It keeps the promises of the log in Redis. Readers see an event when it is on disk. Ids, epoch and idempotency keys go on
 * after a restart. A file that is gone, or that somebody changed, begins a new epoch, and clients are told so.
 */
export class FileEventLog implements EventLog {
  readonly #config: FileLogConfig;
  readonly #journal: Journal;
  readonly #logger: Logger;
  /** The position of the epoch before the first record that is kept. */
  #head: Head;
  #records: Record[];
  /** What the records take of the budget. */
  #bytes = 0;
  /** Lines of the file, and what they take: records that were trimmed stay there until it is rewritten. */
  #lines: number;
  #written: number;
  readonly #once = new Map<string, Record>();
  #waitingAppends: Pending[] = [];
  readonly #pending: PendingAppends;
  #waiting: (() => void)[] = [];
  #writing: Promise<void> | undefined;
  #isClosed = false;

  private constructor(journal: Journal, { head, records }: Contents, config: FileLogConfig, logger: Logger) {
    this.#journal = journal;
    this.#head = head;
    this.#records = [...records];
    this.#lines = records.length;
    this.#config = config;
    this.#pending = new PendingAppends(config);
    this.#logger = logger;
    for (const record of records) if (record.once) this.#once.set(record.once, record);
    this.#bytes = this.#written = sizeOf(records);
    this.#trim();
  }

  /** Reads the file, or begins one. */
  static async load(path: string, config: FileLogConfig, logger: Logger): Promise<FileEventLog> {
    const { journal, contents, wasKept } = await Journal.open(path);
    const { epoch } = contents.head;
    logger.info({ epoch, events: contents.records.length, wasKept }, "event log opened");
    return new FileEventLog(journal, contents, config, logger);
  }

  /** Nothing to do: it is open since `load`. */
  open(): void {
    this.#isClosed = false;
  }

  close(): void {
    this.#isClosed = true;
    for (const { reject } of this.#waitingAppends.splice(0)) reject(new LogUnavailableError("it is closed"));
    this.#wake();
    void (this.#writing ?? Promise.resolve()).then(() => this.#journal.close()).catch(() => undefined);
  }

  async append(event: NewEvent, idempotencyKey?: string): Promise<Position> {
    if (this.#isClosed) throw new LogUnavailableError("it is closed");
    const once =
      idempotencyKey === undefined ? undefined : { key: digest(idempotencyKey), print: fingerprint(event) };
    const write = (): Promise<Position> =>
      new Promise((resolve, reject) => {
        this.#waitingAppends.push({ event, once, resolve, reject });
        this.#writing ??= this.#write().finally(() => (this.#writing = undefined));
      });
    const done = this.#pending.begin(event, write);
    try {
      return await withDeadline("the disk", this.#config.appendDeadlineMs, done);
    } catch (error) {
      if (error instanceof IdempotencyKeyReusedError || error instanceof LogUnavailableError) throw error;
      throw new LogUnavailableError(reasonOf(error), { cause: error });
    }
  }

  async state(): Promise<LogState> {
    return Promise.resolve(this.#state());
  }

  async page(after: string, limit: number, maxBytes = PAGE_BYTES): Promise<LogPage> {
    return Promise.resolve({ state: this.#state(), entries: this.#after(after, limit, maxBytes) });
  }

  async tail(limit: number, maxBytes: number): Promise<LogPage> {
    const newest = limit > 0 ? this.#records.slice(-limit) : [];
    const fitting = within(newest.reverse(), maxBytes).reverse();
    return Promise.resolve({ state: this.#state(), entries: fitting.map((record) => this.#entry(record)) });
  }

  async wait(after: string, limit: number, blockMs: number): Promise<readonly LogEntry[]> {
    const found = this.#after(after, limit);
    if (found.length > 0 || this.#isClosed) return found;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, blockMs);
      this.#waiting.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
    return this.#after(after, limit);
  }

  #state(): LogState {
    const last = this.#records.at(-1);
    return {
      epoch: this.#head.epoch,
      first: this.#records[0]?.id,
      last: last?.id ?? this.#head.last,
      count: last?.n ?? this.#head.count,
      length: this.#records.length,
      bytes: this.#bytes,
    };
  }

  #after(id: string, limit: number, maxBytes = PAGE_BYTES): LogEntry[] {
    let low = 0;
    for (let high = this.#records.length; low < high;) {
      const middle = (low + high) >>> 1;
      if (compareIds(this.#records[middle]?.id ?? id, id) <= 0) low = middle + 1;
      else high = middle;
    }
    return within(this.#records.slice(low, low + limit), maxBytes).map((record) => this.#entry(record));
  }

  #entry({ n, id, t, y, d }: Record): LogEntry {
    return { epoch: this.#head.epoch, id, number: n, topic: t, type: y, data: d };
  }

  /** All appends that wait share one write to the disk. */
  async #write(): Promise<void> {
    while (this.#waitingAppends.length > 0) {
      const batch = this.#waitingAppends.splice(0);
      const { records, settle } = this.#prepare(batch);
      try {
        if (records.length > 0) await this.#journal.append(records);
      } catch (error) {
        this.#logger.warn({ reason: reasonOf(error) }, "event log not written");
        const failure = new LogUnavailableError(reasonOf(error), { cause: error });
        for (const { reject } of batch) reject(failure);
        continue;
      }
      this.#records.push(...records);
      this.#lines += records.length;
      const bytes = sizeOf(records);
      this.#bytes += bytes;
      this.#written += bytes;
      for (const record of records) if (record.once) this.#once.set(record.once, record);
      this.#wake();
      settle();
      await this.#keepSmall();
    }
  }

  /** Gives ids and numbers to a batch only now, so that an append that is not written leaves no hole. */
  #prepare(batch: readonly Pending[]): { records: Record[]; settle: () => void } {
    const { epoch } = this.#head;
    let { last, count } = this.#state();
    const records: Record[] = [];
    const fresh = new Map<string, Record>();
    const answers: (() => void)[] = [];
    for (const { event, once, resolve, reject } of batch) {
      const known = once && (fresh.get(once.key) ?? this.#known(once.key));
      if (known && known.print !== once?.print) {
        answers.push(() => reject(new IdempotencyKeyReusedError()));
        continue;
      }
      const { topic: t, type: y, data: d } = event;
      const record = known ?? { n: ++count, id: (last = nextId(last)), t, y, d };
      if (!known) {
        if (once) fresh.set(once.key, Object.assign(record, { once: once.key, print: once.print }));
        records.push(record);
      }
      answers.push(() => resolve({ epoch, id: record.id }));
    }
    return { records, settle: () => answers.forEach((answer) => answer()) };
  }

  #known(key: string): Record | undefined {
    const record = this.#once.get(key);
    const isOld = record && Date.now() - Number(record.id.split("-")[0]) > IDEMPOTENCY_SECONDS * 1000;
    return isOld ? undefined : record;
  }

  #trim(): void {
    const { retention, logBytes } = this.#config;
    let excess = Math.max(0, this.#records.length - retention);
    let bytes = this.#bytes - sizeOf(this.#records.slice(0, excess));
    for (; bytes > logBytes && excess < this.#records.length; excess++)
      bytes -= sizeOf(this.#records.slice(excess, excess + 1));
    if (excess === 0) return;
    this.#bytes = bytes;
    const removed = this.#records.splice(0, excess);
    for (const record of removed) {
      if (record.once && this.#once.get(record.once) === record) this.#once.delete(record.once);
    }
    const { n: count, id: last } = removed.at(-1) as Record;
    this.#head = { ...this.#head, count, last };
  }

  async #keepSmall(): Promise<void> {
    this.#trim();
    const { retention, logBytes } = this.#config;
    if (this.#lines <= 2 * retention && this.#written <= 2 * logBytes) return;
    try {
      await this.#journal.rewrite({ head: this.#head, records: this.#records });
      this.#lines = this.#records.length;
      this.#written = this.#bytes;
    } catch (error) {
      this.#logger.warn({ reason: reasonOf(error) }, "event log not made smaller");
    }
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}

const sizeOf = (records: readonly Record[]): number =>
  records.reduce((sum, { t: topic, y: type, d: data }) => sum + costOf({ topic, type, data }), 0);

/** The first of the records until they are about `maxBytes`. */
function within(records: readonly Record[], maxBytes: number): Record[] {
  let bytes = 0;
  return records.filter((record) => {
    const fits = bytes < maxBytes;
    bytes += sizeOf([record]);
    return fits;
  });
}

/** Like Redis: the clock, but never less than the last id. */
function nextId(last: string): string {
  const [ms = 0, seq = 0] = last.split("-").map(Number);
  const now = Date.now();
  return now > ms ? `${now}-0` : `${ms}-${seq + 1}`;
}
