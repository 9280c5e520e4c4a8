/** The event log in Redis. */
import { randomBytes } from "node:crypto";
import type { EventsConfig, RedisConfig } from "../../platform/env/config.ts";
import { reasonOf, withDeadline } from "../../platform/deadline.ts";
import { Semaphore } from "../../platform/semaphore.ts";
import type { Logger } from "../../platform/logging.ts";
import { RedisLink, type RedisClient } from "../../platform/redis.ts";
import type { Position } from "./cursor.ts";
import { Durability } from "./durability.ts";
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
import { digest, fingerprint } from "./idempotency.ts";
import { appendScript, evaluate, readScript } from "./redis-scripts.ts";

export const keys = {
  meta: "omniai:events:meta",
  stream: "omniai:events:log",
  barrier: "omniai:events:barrier",
  /** How many bytes were appended where, see redis-scripts.ts. */
  marks: "omniai:events:marks",
  /** Comes before the hash of an idempotency key. The names in Redis are older than the term, and stay. */
  idempotency: "omniai:events:once:",
  idempotencyRing: "omniai:events:once-ring",
} as const;

/** How much of the log's budget there is for each idempotency key that is kept. */
const BYTES_PER_IDEMPOTENCY_KEY = 2048;
const READ_DEADLINE_MS = 1500;
/** How many pages are read at once: bounds the memory that a crowd of resuming clients takes. */
const MAX_PAGES = 4;
/** The longest that a reader waits for its turn, in ms; streams try again. */
const PAGE_PATIENCE_MS = 10_000;

/** A random epoch for a log that has none: 40 bits, so that two of them are not equal by chance. */
const newEpoch = (): string => randomBytes(5).toString("hex");

/**
 * The log in a Redis stream. Connections: the shared one for appends and reads, one that blocks in XREAD, and some for
 * the durability barrier; none per client.
 */
export class RedisEventLog implements EventLog {
  readonly #shared: RedisLink;
  readonly #reader: RedisLink;
  readonly #barriers: readonly RedisLink[];
  readonly #durability: Durability;
  readonly #config: EventsConfig;
  readonly #logger: Logger;
  #pendingAppends = 0;
  /** The length of the longest entry that was read lately, in bytes. */
  #longest = 1;
  readonly #pages = new Semaphore(MAX_PAGES, Infinity);

  /** @param shared a connection that is used for other commands too, and that its owner closes. */
  constructor(config: EventsConfig, redis: RedisConfig, shared: RedisLink, logger: Logger) {
    this.#config = config;
    this.#logger = logger;
    this.#shared = shared;
    const blocking = (name: string, ms: number): RedisLink =>
      new RedisLink(redis, `${shared.name}-${name}`, logger, { idleMs: ms + 2000, isPinging: false });
    this.#reader = blocking("reader", config.readBlockMs);
    this.#barriers = [1, 2, 3, 4].map(
      (number) =>
        new RedisLink(redis, `${shared.name}-fsync${number}`, logger, { idleMs: 3000, isPinging: true }),
    );
    this.#durability = new Durability(this.#barriers, keys.barrier);
  }

  open(): void {
    for (const link of [this.#reader, ...this.#barriers]) link.open();
  }

  close(): void {
    for (const link of [this.#reader, ...this.#barriers]) link.close();
  }

  async append(event: NewEvent, idempotencyKey?: string): Promise<Position> {
    if (this.#pendingAppends >= this.#config.maxPendingAppends)
      throw new LogUnavailableError("too many appends wait");
    this.#pendingAppends++;
    const end = performance.now() + this.#config.appendDeadlineMs;
    try {
      const position = await this.#add(event, idempotencyKey, end - performance.now());
      // Also for an event that was there before: the call that wrote it may not have seen it reach the disk.
      const rest = Math.max(1, end - performance.now());
      await withDeadline("the disk", rest, this.#durability.reached(rest));
      return position;
    } catch (error) {
      if (error instanceof IdempotencyKeyReusedError) throw error;
      throw new LogUnavailableError(reasonOf(error), { cause: error });
    } finally {
      this.#pendingAppends--;
    }
  }

  async #add(event: NewEvent, idempotencyKey: string | undefined, ms: number): Promise<Position> {
    const { topic, type, data } = event;
    const { retention, logBytes } = this.#config;
    const names: string[] = [keys.meta, keys.stream, keys.marks];
    const args = [newEpoch(), String(retention), topic, type, data, String(logBytes)];
    if (idempotencyKey !== undefined) {
      names.push(keys.idempotency + digest(idempotencyKey), keys.idempotencyRing);
      args.push(fingerprint(event), String(IDEMPOTENCY_SECONDS), String(idempotencyKeysOf(this.#config)));
    }
    const add = (client: RedisClient): Promise<unknown> => evaluate(client, appendScript, names, args);
    let reply: unknown;
    try {
      reply = await this.#shared.run(ms, add);
    } catch (error) {
      if (!(error instanceof Error && error.message.startsWith("OOM"))) throw error;
      await this.#makeRoom(ms);
      reply = await this.#shared.run(ms, add);
    }
    const [epoch, id] = texts(reply);
    if (epoch === "" && id === "") throw new IdempotencyKeyReusedError();
    if (!epoch || !id) throw new Error("unexpected reply to an append");
    return { epoch, id };
  }

  /** A full Redis would refuse every event until an operator comes. Losing the oldest tenth of the history is better. */
  async #makeRoom(ms: number): Promise<void> {
    const kept = await this.#shared.run(ms, (client) => client.xLen(keys.stream));
    const removed = await this.#shared.run(ms, (client) =>
      client.xTrim(keys.stream, "MAXLEN", Math.floor(kept * 0.9)),
    );
    this.#logger.error({ kept, removed }, "Redis is full: removed the oldest events to go on");
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

  async page(after: string, limit: number): Promise<LogPage> {
    if (!(await this.#pages.acquire(PAGE_PATIENCE_MS)))
      throw new LogUnavailableError("too many pages are read");
    try {
      return await this.#read("page", after, limit);
    } finally {
      this.#pages.release();
    }
  }

  async #read(mode: "state" | "page" | "tail", from: string, limit: number): Promise<LogPage> {
    const few = atOnce(PAGE_BYTES, this.#config.maxEventBytes);
    const args = [newEpoch(), mode, from, String(limit), String(PAGE_BYTES), String(few)];
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
