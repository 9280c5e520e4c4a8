/** Sends appends to Redis in batches, each of which is done when it is on disk. */
import { reasonOf } from "../../platform/deadline.ts";
import type { RedisClient, RedisLink } from "../../platform/redis.ts";
import { evaluate, isUnknownScript, runByHash, type Script } from "./redis-scripts.ts";

interface Append {
  readonly keys: string[];
  readonly args: string[];
  /** When its caller gives up, by performance.now(). */
  readonly end: number;
  readonly resolve: (reply: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** How often it is looked whether a connection has come back, in ms: only while there is none. */
const RETRY_MS = 50;

/**
 * Many appends share one wait for the disk. A batch goes out on one connection: its appends, and behind them WAITAOF 1 0,
 * which answers when all that this connection has written is on disk (https://redis.io/docs/latest/commands/waitaof/). A
 * server that restarts in between cuts the connection, so nothing is promised of what it may have lost.
 *
 * What comes while a batch is under way is the next batch. With `appendfsync everysec` the disk may take a second; so with
 * several connections the next one starts `spacingMs` after the last, and need not wait for its end.
 */
export class AppendBatches {
  readonly #links: readonly RedisLink[];
  readonly #script: Script;
  readonly #spacingMs: number;
  readonly #busy = new Set<RedisLink>();
  #waiting: Append[] = [];
  #lastStart = -Infinity;
  #timer: NodeJS.Timeout | undefined;
  #isPlanned = false;

  /** @param script what appends; it has to write also when it finds that there is nothing to append. */
  constructor(links: readonly RedisLink[], script: Script, spacingMs = 200) {
    this.#links = links;
    this.#script = script;
    this.#spacingMs = spacingMs;
  }

  /**
   * Runs the script once, and resolves to its reply when what it wrote is on disk. Where there is no connection, it waits
   * for one. After `ms` its place in the queue is given up, so that it is not sent any more; whether it was sent before is
   * not known then. @throws what Redis said, or Error when it is not certain that it is on disk.
   */
  run(ms: number, keys: string[], args: string[]): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ keys, args, end: performance.now() + ms, resolve, reject });
      // All that comes within one turn of the event loop goes into one batch.
      if (this.#isPlanned) return;
      this.#isPlanned = true;
      setImmediate(() => {
        this.#isPlanned = false;
        this.#schedule();
      });
    });
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    const now = performance.now();
    this.#giveUp(now);
    if (this.#waiting.length === 0) return;
    const link = this.#links.find((one) => one.isReady && !this.#busy.has(one));
    if (!link) {
      this.#timer = setTimeout(() => this.#schedule(), RETRY_MS);
      return;
    }
    const sinceStart = now - this.#lastStart;
    if (this.#busy.size === 0 || sinceStart >= this.#spacingMs) return this.#start(link, now);
    this.#timer = setTimeout(() => this.#schedule(), this.#spacingMs - sinceStart);
  }

  #giveUp(now: number): void {
    if (this.#waiting.every(({ end }) => end > now)) return;
    const late = this.#waiting.filter(({ end }) => end <= now);
    this.#waiting = this.#waiting.filter(({ end }) => end > now);
    for (const { reject } of late) reject(new Error("no connection was free in time"));
  }

  #start(link: RedisLink, now: number): void {
    const batch = this.#waiting;
    this.#waiting = [];
    this.#busy.add(link);
    this.#lastStart = now;
    const ms = Math.max(1, Math.ceil(batch.reduce((last, { end }) => Math.max(last, end), 0) - now));
    // A moment longer, so that WAITAOF says by itself that it took too long, and the connection stays.
    link
      .run(ms + 250, (client) => this.#send(client, batch, ms))
      .then(
        (replies) => {
          batch.forEach(({ resolve, reject }, index) => {
            const reply = replies[index];
            if (reply?.status === "fulfilled") resolve(reply.value);
            else reject(reply?.reason instanceof Error ? reply.reason : new Error(reasonOf(reply?.reason)));
          });
        },
        (error: unknown) => batch.forEach(({ reject }) => reject(new Error(reasonOf(error)))),
      )
      .finally(() => {
        this.#busy.delete(link);
        this.#schedule();
      });
  }

  /** @throws Error when it is not certain that all of them are on disk. */
  async #send(
    client: RedisClient,
    batch: readonly Append[],
    ms: number,
  ): Promise<PromiseSettledResult<unknown>[]> {
    const sent = batch.map(({ keys, args }) => runByHash(client, this.#script, keys, args));
    const [replies] = await Promise.all([Promise.allSettled(sent), onDisk(client, ms)]);
    const unknown = replies.flatMap((reply, index) =>
      reply.status === "rejected" && isUnknownScript(reply.reason) ? [index] : [],
    );
    if (unknown.length === 0) return replies;
    // A server that has just started, or was told to forget its scripts: nothing of these was done.
    const again = unknown.map((index) => {
      const { keys = [], args = [] } = batch[index] ?? {};
      return evaluate(client, this.#script, keys, args);
    });
    const late = await Promise.allSettled(again);
    await onDisk(client, ms);
    unknown.forEach((index, at) => {
      const reply = late[at];
      if (reply) replies[index] = reply;
    });
    return replies;
  }
}

async function onDisk(client: RedisClient, ms: number): Promise<void> {
  const reply = await client.sendCommand(["WAITAOF", "1", "0", String(ms)]);
  if (!Array.isArray(reply) || Number(reply[0]) < 1) throw new Error("not on disk in time");
}
