/** The event log in Redis. */
import { randomBytes } from "node:crypto";
import type { EventsConfig, RedisConfig } from "../../platform/env/config.ts";
import { reasonOf, withDeadline } from "../../platform/deadline.ts";
import { Semaphore } from "../../platform/semaphore.ts";
import type { Logger } from "../../platform/logging.ts";
import {
  RedisLink,
  RedisUnavailableError,
  type RedisClient,
  type RedisRunner,
} from "../../platform/redis.ts";
import { AppendBatches } from "./append-batches.ts";
import type { Position } from "./cursor.ts";
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
} from "./log.ts";
import { digest, fingerprint, laneOf } from "./idempotency.ts";
import { PendingAppends } from "./pending-appends.ts";
import { appendScript, evaluate, LANES, readScript } from "./redis-scripts.ts";

export const keys = {
  meta: "omniai:events:meta",
  stream: "omniai:events:log",
  /** How many bytes were appended where, see redis-scripts.ts. */
  marks: "omniai:events:marks",
  /** Comes before the hash of an idempotency key. The names in Redis are older than the term, and stay. */
  idempotency: "omniai:events:once:",
  idempotencyLanes: "omniai:events:once-lanes",
  /** Of earlier versions, see redis-scripts.ts. */
  idempotencyRing: "omniai:events:once-ring",
} as const;

/** How much of the log's budget there is for each idempotency key that is kept. */
const BYTES_PER_IDEMPOTENCY_KEY = 2048;
const READ_DEADLINE_MS = 1500;
/** How many pages are read at once: bounds the memory that a crowd of resuming clients takes. */
const MAX_PAGES = 4;
/** The longest that a reader waits for its turn, in ms; streams try again. */
const PAGE_PATIENCE_MS = 10_000;

/**
 * An epoch for a log that has none, never the same twice: 40 random bits of this process, so that those of two are not equal
 * by chance, and a number. Each append carries one, and random bits for each would be a good part of what it costs.
 */
const newEpoch = (): string => EPOCHS + (epochs++).toString(36);
const EPOCHS = randomBytes(5).toString("hex");
let epochs = 0;

/**
 * Does what a full Redis has refused once more, after the oldest tenth of the history has made room for it: that is better
 * than events, logins and logouts that fail until an operator comes. The log has its own budget, so this is needed only
 * where something else has filled Redis.
 */
async function makingRoom<T>(
  link: RedisRunner,
  logger: Logger,
  ms: number,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Error && error.message.startsWith("OOM"))) throw error;
    const kept = await link.run(ms, (client) => client.xLen(keys.stream));
    const trim = (client: RedisClient): Promise<number> =>
      client.xTrim(keys.stream, "MAXLEN", Math.floor(kept * 0.9));
    const removed = await link.run(ms, trim);
    logger.error({ kept, removed }, "Redis is full: removed the oldest events to go on");
    return work();
  }
}

/** Commands that a full Redis does not refuse, see makingRoom. */
export function withRoom(link: RedisRunner, logger: Logger): RedisRunner {
  return { run: (ms, command) => makingRoom(link, logger, ms, () => link.run(ms, command)) };
}

/**
 * The log in a Redis stream. Connections: the shared one for reads, one that blocks in XREAD, and some for appends, which
 * block until they are on disk; none per client.
 */
export class RedisEventLog implements EventLog {
  readonly #shared: RedisLink;
  readonly #reader: RedisLink;
  readonly #writers: readonly RedisLink[];
  readonly #batches: AppendBatches;
  readonly #config: EventsConfig;
  readonly #logger: Logger;
  readonly #pending: PendingAppends;
  /** The length of the longest entry that was read lately, in bytes. */
  #longest = 1;
  /** Without a limit of its own: streams and polls are bounded before they read (Admission, OMNIAI_POLL_BYTES). */
  readonly #pages = new Semaphore(MAX_PAGES, Infinity);

  /** @param shared a connection that is used for other commands too, and that its owner closes. */
  constructor(config: EventsConfig, redis: RedisConfig, shared: RedisLink, logger: Logger) {
    this.#config = config;
    this.#logger = logger;
    this.#shared = shared;
    const blocking = (name: string, ms: number): RedisLink =>
      new RedisLink(redis, `${shared.name}-${name}`, logger, { idleMs: ms + 2000, isPinging: false });
    this.#reader = blocking("reader", config.readBlockMs);
    this.#writers = [1, 2, 3, 4].map(
      (number) =>
        new RedisLink(redis, `${shared.name}-append${number}`, logger, { idleMs: 3000, isPinging: true }),
    );
    this.#batches = new AppendBatches(this.#writers, appendScript);
    this.#pending = new PendingAppends(config);
  }

  open(): void {
    for (const link of [this.#reader, ...this.#writers]) link.open();
  }

  close(): void {
    for (const link of [this.#reader, ...this.#writers]) link.close();
  }

  async append(event: NewEvent, idempotencyKey?: string, publisher = ""): Promise<Position> {
    const ms = this.#config.appendDeadlineMs;
    const added = this.#pending.begin(event, () => this.#add(event, ms, idempotencyKey, publisher));
    try {
      return await withDeadline("the event log", ms, added);
    } catch (error) {
      if (error instanceof IdempotencyKeyReusedError) throw error;
      throw new LogUnavailableError(reasonOf(error), { cause: error });
    }
  }

  async #add(
    event: NewEvent,
    ms: number,
    idempotencyKey: string | undefined,
    publisher: string,
  ): Promise<Position> {
    const { topic, type, data } = event;
    const { retention, logBytes } = this.#config;
    const names: string[] = [keys.meta, keys.stream, keys.marks];
    const args = [newEpoch(), String(retention), topic, type, data, String(logBytes)];
    if (idempotencyKey !== undefined) {
      names.push(keys.idempotency + digest(idempotencyKey), keys.idempotencyLanes, keys.idempotencyRing);
      const kept = String(idempotencyKeysOf(this.#config));
      args.push(fingerprint(event), String(IDEMPOTENCY_SECONDS), kept, String(laneOf(publisher, LANES)));
    }
    // Known to be away: its callers hear of it at once. While the replica starts, the shared connection may be the first.
    if (!this.#shared.isReady && !this.#writers.some(({ isReady }) => isReady))
      throw new RedisUnavailableError("no connection");
    // The second attempt has only what is left: what comes after the caller's 503 would be in the log twice.
    const end = performance.now() + ms;
    const append = (): Promise<unknown> => this.#batches.run(end - performance.now(), names, args);
    const reply = await makingRoom(this.#shared, this.#logger, ms, append);
    const [epoch, id] = texts(reply);
    if (epoch === "" && id === "") throw new IdempotencyKeyReusedError();
    if (!epoch || !id) throw new Error("unexpected reply to an append");
    return { epoch, id };
  }

  async state(): Promise<LogState> {
    return (await this.#read("state", "", 0)).state;
  }

  /** Reads pages from the newest one back, because one long reply would be held several times, at both ends. */
  async tail(limit: number, maxBytes: number): Promise<LogPage> {
    const newest = await this.#read("tail", "", limit);
    const pages = [newest.entries];
    let [entries, bytes] = [newest.entries.length, sizeOf(newest.entries)];
    while (entries < limit && bytes < maxBytes) {
      const oldest = pages.at(-1)?.at(-1);
      if (!oldest) break;
      const { entries: page } = await this.#read("tail", oldest.id, limit - entries);
      if (page.length === 0) break;
      pages.push(page);
      entries += page.length;
      bytes += sizeOf(page);
    }
    return { state: newest.state, entries: pages.flat().reverse() };
  }

  async page(after: string, limit: number, maxBytes = PAGE_BYTES): Promise<LogPage> {
    if (!(await this.#pages.acquire(PAGE_PATIENCE_MS)))
      throw new LogUnavailableError("too many pages are read");
    try {
      return await this.#read("page", after, limit, maxBytes);
    } finally {
      this.#pages.release();
    }
  }

  async #read(
    mode: "state" | "page" | "tail",
    from: string,
    limit: number,
    maxBytes = PAGE_BYTES,
  ): Promise<LogPage> {
    const few = atOnce(maxBytes, this.#config.maxEventBytes);
    const args = [newEpoch(), mode, from, String(limit), String(maxBytes), String(few)];
    const reply = await this.#shared.run(READ_DEADLINE_MS, (client) =>
      evaluate(client, readScript, [keys.meta, keys.stream], args),
    );
    if (!Array.isArray(reply)) throw new Error("unexpected reply to a read");
    const [epoch, count, first, last, length, bytes, entries] = reply as unknown[];
    return {
      state: {
        epoch: String(epoch),
        count: Number(count),
        first: first === "" ? undefined : String(first),
        last: String(last),
        length: Number(length),
        bytes: Number(bytes),
      },
      entries: (entries as [string, string[]][]).map(([id, fields]) => {
        const values: Record<string, string> = {};
        for (let i = 0; i + 1 < fields.length; i += 2) values[fields[i] as string] = fields[i + 1] as string;
        return toEntry(id, values);
      }),
    };
  }

  async wait(after: string, limit: number, blockMs: number): Promise<readonly LogEntry[]> {
    // By count only, see readScript: as many as would fit if all were as long as the longest of those before.
    const count = Math.max(1, Math.min(limit, Math.floor(PAGE_BYTES / this.#longest)));
    const reply = await this.#reader.run(blockMs + 1500, (client) =>
      client.xRead({ key: keys.stream, id: after }, { BLOCK: blockMs, COUNT: count }),
    );
    const messages = (reply as { messages: { id: string; message: Record<string, string> }[] }[] | null)?.[0]
      ?.messages;
    const entries = messages?.map(({ id, message }) => toEntry(id, message)) ?? [];
    // Falls slowly: among small ones there may be long ones again.
    const longest = entries.reduce((most, entry) => Math.max(most, costOf(entry)), 1);
    this.#longest = Math.max(longest, Math.floor(this.#longest / 2));
    return entries;
  }
}

const sizeOf = (entries: readonly LogEntry[]): number =>
  entries.reduce((sum, entry) => sum + costOf(entry), 0);

/** How many entries to ask for at a time: few enough not to be far over a page if all are as long as may be. */
const atOnce = (bytes: number, longest: number): number =>
  Math.max(1, Math.min(16, Math.floor(bytes / longest)));

/** How many idempotency keys are kept: each takes about 400 bytes, so all of them a part of what the log may take. */
export const idempotencyKeysOf = ({
  retention,
  logBytes,
}: Pick<EventsConfig, "retention" | "logBytes">): number =>
  Math.max(100, Math.min(retention, Math.floor(logBytes / BYTES_PER_IDEMPOTENCY_KEY)));

/** An entry without our fields was written by somebody else. It gets an epoch that never matches, and so is noticed. */
function toEntry(id: string, fields: Readonly<Record<string, string>>): LogEntry {
  return {
    id,
    epoch: fields.e ?? "",
    number: Number(fields.n ?? 0),
    topic: fields.t ?? "",
    type: fields.y ?? "",
    data: fields.d ?? "null",
  };
}

function texts(reply: unknown): string[] {
  return Array.isArray(reply) ? reply.map(String) : [];
}
