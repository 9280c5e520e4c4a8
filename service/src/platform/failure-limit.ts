/** Limits on failures, such as wrong passwords, which the replicas share. */
import { impatient, type ImpatientRedis } from "./impatient-redis.ts";
import { tooMany } from "./rate-limit.ts";
import type { RedisClient, RedisRunner } from "./redis.ts";

export interface FailureLimitOptions {
  /** Its name in Redis. */
  readonly name: string;
  /** How many failures of one key may be in a window; 0 for no limit. */
  readonly points: number;
  readonly windowSeconds: number;
}

/** The most keys that a process remembers by itself; beyond them the oldest go. */
const MAX_KEYS = 20_000;

/** KEYS: the count, the pause. ARGV: seconds of the window, points, ms of a pause. */
const COUNT = `
local failures = redis.call('INCRBY', KEYS[1], 1)
if failures == 1 then redis.call('EXPIRE', KEYS[1], ARGV[1]) end
if failures >= tonumber(ARGV[2]) then redis.call('SET', KEYS[2], failures, 'PX', ARGV[3]) end
return failures
`;

interface Known {
  failures: number;
  /** By performance.now(). */
  readonly windowEnd: number;
  pauseEnd: number;
  /** Whether Redis lacks some of these failures, because it was away or full. Then its answers alone are not enough. */
  isAlone: boolean;
}

/**
 * Counts what has failed for certain, and nothing else: whoever could not be checked is not counted. When the failures of a
 * window are used up, each further one is followed by a pause in which nothing is checked. So it is never a lock, and
 * somebody who keeps on guessing has at most twice the failures of a window.
 *
 * `check` only reads, and `count` writes afterwards. What is checked at the same time passes together, so the caller lets
 * only a few be checked at once. While Redis is away or refuses to count (it can be full and still answer what is read),
 * each process goes by what it has counted itself.
 */
export class FailureLimit {
  readonly #options: FailureLimitOptions;
  readonly #redis: ImpatientRedis | undefined;
  readonly #known = new Map<string, Known>();

  /** @param redis left out for a process alone. */
  constructor(options: FailureLimitOptions, redis: RedisRunner | undefined) {
    this.#options = options;
    this.#redis = redis && impatient(redis);
  }

  /** @throws Problem 429 with Retry-After during a pause. */
  async check(key: string): Promise<void> {
    if (this.#options.points === 0) return;
    const shared = await this.#shared((client) => client.pTTL(this.#keys(key)[1]));
    const known = this.#known.get(key);
    const own = known && (shared === undefined || known.isAlone) ? known.pauseEnd - performance.now() : 0;
    const ms = Math.max(shared ?? 0, own);
    if (ms > 0) throw tooMany(ms);
  }

  /** Counts one failure. */
  async count(key: string): Promise<void> {
    const { points, windowSeconds } = this.#options;
    if (points === 0) return;
    const known = this.#countAlone(key);
    const args = [windowSeconds, points, Math.ceil(this.#pauseMs)].map(String);
    const count = await this.#shared((client) =>
      client.eval(COUNT, { keys: this.#keys(key), arguments: args }),
    );
    if (count === undefined) known.isAlone = true;
  }

  /** Forgets the failures of `key`. */
  async forget(key: string): Promise<void> {
    if (this.#options.points === 0) return;
    this.#known.delete(key);
    await this.#shared((client) => client.del(this.#keys(key)));
  }

  get #pauseMs(): number {
    return (this.#options.windowSeconds * 1000) / this.#options.points;
  }

  #keys(key: string): [string, string] {
    const prefix = `omniai:limit:${this.#options.name}`;
    return [`${prefix}:${key}`, `${prefix}-pause:${key}`];
  }

  /** @returns undefined when Redis did not do it. */
  async #shared<T>(command: (client: RedisClient) => Promise<T>): Promise<T | undefined> {
    try {
      return await this.#redis?.(command);
    } catch {
      return undefined;
    }
  }

  #countAlone(key: string): Known {
    const now = performance.now();
    const before = this.#known.get(key);
    this.#known.delete(key);
    const known =
      before && before.windowEnd > now
        ? before
        : { failures: 0, windowEnd: now + this.#options.windowSeconds * 1000, pauseEnd: 0, isAlone: false };
    known.failures++;
    if (known.failures >= this.#options.points) known.pauseEnd = now + this.#pauseMs;
    // At the end, so that the first ones are those that have failed least lately.
    this.#known.set(key, known);
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= MAX_KEYS) break;
      this.#known.delete(oldest);
    }
    return known;
  }
}
