/** Waits until Redis has written to its disk. */
import { reasonOf } from "../../platform/deadline.ts";
import type { RedisLink } from "../../platform/redis.ts";

interface Waiter {
  resolve(): void;
  reject(error: Error): void;
}

/**
 * "Is everything that this process has written so far on disk?", asked for many appends at once.
 *
 * WAITAOF blocks its connection, and covers what that connection wrote last. So appends go out on another connection
 * without waiting. A barrier is a small write, which stands in the append-only file behind all writes that were answered
 * before, followed by WAITAOF 1 0. With `appendfsync everysec` a barrier may take a second. With several connections,
 * started `spacingMs` apart, an append need not wait for the end of one barrier before its own begins.
 */
export class Durability {
  readonly #links: readonly RedisLink[];
  readonly #key: string;
  readonly #spacingMs: number;
  readonly #busy = new Set<RedisLink>();
  #waiting: Waiter[] = [];
  #lastStart = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(links: readonly RedisLink[], key: string, spacingMs = 200) {
    this.#links = links;
    this.#key = key;
    this.#spacingMs = spacingMs;
  }

  /** Resolves when what was written before this call is on disk; rejects when that is not certain within `ms`. */
  reached(ms: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#schedule(ms);
    });
  }

  #schedule(ms: number): void {
    if (this.#waiting.length === 0) return;
    clearTimeout(this.#timer);
    const link = this.#links.find((one) => one.isReady && !this.#busy.has(one));
    if (!link) {
      // A busy connection schedules when it is done; without any connection nobody would.
      if (this.#busy.size === 0) this.#settle(this.#take(), new Error("no connection"));
      return;
    }
    const sinceStart = performance.now() - this.#lastStart;
    if (this.#busy.size === 0 || sinceStart >= this.#spacingMs) return this.#start(link, ms);
    this.#timer = setTimeout(() => this.#schedule(ms), this.#spacingMs - sinceStart);
  }

  #start(link: RedisLink, ms: number): void {
    const waiters = this.#take();
    this.#busy.add(link);
    this.#lastStart = performance.now();
    link
      .run(ms + 250, async (client) => {
        const [, reply] = await Promise.all([
          client.set(this.#key, "1"),
          client.sendCommand(["WAITAOF", "1", "0", String(Math.max(1, Math.ceil(ms)))]),
        ]);
        return Array.isArray(reply) ? Number(reply[0]) : 0;
      })
      .then(
        (local) => this.#settle(waiters, local >= 1 ? undefined : new Error("not on disk in time")),
        (error: unknown) => this.#settle(waiters, new Error(reasonOf(error))),
      )
      .finally(() => {
        this.#busy.delete(link);
        this.#schedule(ms);
      });
  }

  #take(): Waiter[] {
    const waiters = this.#waiting;
    this.#waiting = [];
    return waiters;
  }

  #settle(waiters: readonly Waiter[], error: Error | undefined): void {
    for (const waiter of waiters) {
      if (error) waiter.reject(error);
      else waiter.resolve();
    }
  }
}
