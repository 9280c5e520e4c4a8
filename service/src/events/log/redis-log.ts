import { randomBytes } from "node:crypto";
import type { EventsConfig, RedisConfig } from "../../platform/env/config.ts";
import { reasonOf, withDeadline } from "../../platform/deadline.ts";
import { Gate } from "../../platform/semaphore.ts";
import type { Logger } from "../../platform/logging.ts";
import { RedisLink, type RedisClient } from "../../platform/redis.ts";
import type { Position } from "./cursor.ts";
import { Durability } from "./durability.ts";
import {
  LogUnavailableError,
  OnceKeyReusedError,
  onceSeconds,
  type EventLog,
  type LogEntry,
  type LogPage,
  type LogState,
  type NewEvent,
} from "./log.ts";
import { digest, printOf } from "./idempotency.ts";
import { appendScript, evaluate, readScript } from "./redis-scripts.ts";

export const keys = {
  meta: "omniai:events:meta",
  stream: "omniai:events:log",
  barrier: "omniai:events:barrier",
  /** Before the hash of a once-key. */
  once: "omniai:events:once:",
  onceRing: "omniai:events:once-ring",
} as const;

const readDeadlineMs = 1500;
/** Pages for resuming clients read at once: bounds the memory that a crowd of them takes. */
const maxPages = 4;
/** Longest that one waits for its turn, ms; streams try again. */
const pagePatienceMs = 10_000;

/** A random epoch to be taken if the log has none: 40 bits, so that two of them are not the same by chance. */
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
  readonly #pages = new Gate(maxPages, Infinity);

  /** @param shared a connection that is used for other commands too; closed by its owner. */
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

  async append(event: NewEvent, onceKey?: string): Promise<Position> {
    if (this.#pendingAppends >= this.#config.maxPendingAppends)
      throw new LogUnavailableError("too many appends wait");
    this.#pendingAppends++;
    const end = performance.now() + this.#config.appendDeadlineMs;
    try {
      const position = await this.#add(event, onceKey, end - performance.now());
      // Also for an event that was there already: the call that wrote it may not have seen it reach the disk.
      const rest = Math.max(1, end - performance.now());
      await withDeadline("the disk", rest, this.#durability.reached(rest));
      return position;
    } catch (error) {
      if (error instanceof OnceKeyReusedError) throw error;
      throw new LogUnavailableError(reasonOf(error), { cause: error });
    } finally {
      this.#pendingAppends--;
    }
  }

  async #add(event: NewEvent, onceKey: string | undefined, ms: number): Promise<Position> {
    const { topic, type, data } = event;
    const names: string[] = [keys.meta, keys.stream];
    const args = [newEpoch(), String(this.#config.retention), topic, type, data];
    if (onceKey !== undefined) {
      names.push(keys.once + digest(onceKey), keys.onceRing);
      args.push(printOf(event), String(onceSeconds), String(this.#config.retention));
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
    if (epoch === "" && id === "") throw new OnceKeyReusedError();
    if (!epoch || !id) throw new Error("unexpected reply to an append");
    return { epoch, id };
  }

  /** A full Redis would refuse every event until somebody came. The oldest tenth of the history is the lesser loss. */
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

  async tail(limit: number): Promise<LogPage> {
    const page = await this.#read("tail", "", limit);
    return { state: page.state, entries: [...page.entries].reverse() };
  }

  async page(after: string, limit: number): Promise<LogPage> {
    if (!(await this.#pages.enter(pagePatienceMs))) throw new LogUnavailableError("too many pages are read");
    try {
      return await this.#read("page", after, limit);
    } finally {
      this.#pages.leave();
    }
  }

  async #read(mode: "state" | "page" | "tail", after: string, limit: number): Promise<LogPage> {
    const args = [newEpoch(), mode, after, String(limit)];
    const reply = await this.#shared.run(readDeadlineMs, (client) =>
      evaluate(client, readScript, [keys.meta, keys.stream], args),
    );
    if (!Array.isArray(reply)) throw new Error("unexpected reply to a read");
    const [epoch, count, first, last, length, entries] = reply as unknown[];
    return {
      state: {
        epoch: String(epoch),
        count: Number(count),
        first: first === "" ? undefined : String(first),
        last: String(last),
        length: Number(length),
      },
      entries: (entries as [string, string[]][]).map(([id, fields]) => {
        const values: Record<string, string> = {};
        for (let i = 0; i + 1 < fields.length; i += 2) values[fields[i] as string] = fields[i + 1] as string;
        return toEntry(id, values);
      }),
    };
  }

  async wait(after: string, limit: number, blockMs: number): Promise<readonly LogEntry[]> {
    const reply = await this.#reader.run(blockMs + 1500, (client) =>
      client.xRead({ key: keys.stream, id: after }, { BLOCK: blockMs, COUNT: limit }),
    );
    const messages = (reply as { messages: { id: string; message: Record<string, string> }[] }[] | null)?.[0]
      ?.messages;
    return messages?.map(({ id, message }) => toEntry(id, message)) ?? [];
  }
}

/** An entry that this service did not write (no fields of ours) gets an epoch that never matches, and so is noticed. */
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
