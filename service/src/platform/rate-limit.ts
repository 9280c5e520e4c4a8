/** Rate limits that the replicas share. */
import type { Response } from "express";
import { RateLimiterMemory, RateLimiterRedis, RateLimiterRes } from "rate-limiter-flexible";
import { between } from "./deadline.ts";
import { impatient } from "./impatient-redis.ts";
import { Problem } from "./problems.ts";
import type { RedisRunner } from "./redis.ts";

export interface RateLimitOptions {
  /** Its name in headers and keys. */
  readonly name: string;
  /** How many requests all replicas together take in a window; 0 for no limit. */
  readonly points: number;
  readonly windowSeconds: number;
  /**
   * How many requests of one key this process counts before it tells Redis, whose every write waits for a disk. With n
   * replicas the limit is exact to n times this. 1 asks every time.
   */
  readonly batch: number;
}

/** How much of the limit one key has used. */
interface Standing {
  unsent: number;
  remaining: number;
  /** When the window ends, ms of `performance.now()`. */
  resetAt: number;
  isOver: boolean;
}

const MAX_KEYS = 20_000;

/**
 * A limit that the replicas share through Redis, in fixed windows, with one atomic step for each count. While Redis is
 * away each process counts alone with the same limit, so nobody is let in without one, and nobody is shut out.
 */
export class RateLimit {
  readonly #options: RateLimitOptions;
  readonly #limiter: RateLimiterRedis | RateLimiterMemory;
  readonly #standings = new Map<string, Standing>();

  /** @param redis left out for a process alone. */
  constructor(options: RateLimitOptions, redis: RedisRunner | undefined) {
    this.#options = options;
    const { name, points, windowSeconds: duration } = options;
    const common = { keyPrefix: `omniai:limit:${name}`, points: Math.max(1, points), duration };
    const alone = new RateLimiterMemory(common);
    this.#limiter = redis
      ? new RateLimiterRedis({
          ...common,
          storeClient: storeOf(redis),
          useRedisPackage: true,
          insuranceLimiter: alone,
        })
      : alone;
  }

  /** Counts one request for `key`. @throws Problem 429 with Retry-After when that is one too many. */
  async take(key: string, response: Response): Promise<void> {
    const { points } = this.#options;
    if (points === 0) return;
    const standing = this.#standingOf(key);
    const isFresh = standing.resetAt === 0;
    standing.unsent++;
    standing.remaining--;
    if (!standing.isOver && (isFresh || standing.unsent >= this.#options.batch || standing.remaining < 0)) {
      await this.#count(key, standing);
    }
    this.#describe(standing, response);
    if (standing.isOver) throw tooMany(leftOf(standing));
  }

  /** Checks without counting, as far as this process knows. @throws Problem 429 when the next request would be refused. */
  check(key: string): void {
    const standing = this.#standings.get(key);
    if (standing?.isOver && standing.resetAt > performance.now()) throw tooMany(leftOf(standing));
  }

  /** Takes back one count, because what it was counted for did not happen. */
  async giveBack(key: string): Promise<void> {
    if (this.#options.points === 0) return;
    this.#standings.delete(key);
    await this.#limiter.reward(key, 1).catch(() => undefined);
  }

  #standingOf(key: string): Standing {
    const known = this.#standings.get(key);
    if (known && (known.resetAt === 0 || known.resetAt > performance.now())) return known;
    this.#standings.delete(key);
    if (this.#standings.size >= MAX_KEYS) this.#makeRoom();
    const standing = { unsent: 0, remaining: this.#options.points, resetAt: 0, isOver: false };
    this.#standings.set(key, standing);
    return standing;
  }

  #makeRoom(): void {
    const now = performance.now();
    for (const [key, { resetAt }] of this.#standings) if (resetAt <= now) this.#standings.delete(key);
    for (const key of this.#standings.keys()) {
      if (this.#standings.size < MAX_KEYS) return;
      this.#standings.delete(key);
    }
  }

  async #count(key: string, standing: Standing): Promise<void> {
    const { unsent } = standing;
    standing.unsent = 0;
    let result: RateLimiterRes;
    try {
      result = await this.#limiter.consume(key, unsent);
    } catch (error) {
      if (!(error instanceof RateLimiterRes)) throw error;
      result = error;
      standing.isOver = true;
    }
    standing.remaining = result.remainingPoints;
    standing.resetAt = performance.now() + Math.max(1, result.msBeforeNext);
  }

  /** RateLimit and RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers-08). */
  #describe(standing: Standing, response: Response): void {
    if (response.headersSent) return;
    const { name, points, windowSeconds } = this.#options;
    response.setHeader("RateLimit-Policy", `"${name}";q=${points};w=${windowSeconds}`);
    const remaining = Math.max(0, standing.remaining);
    response.setHeader("RateLimit", `"${name}";r=${remaining};t=${Math.ceil(leftOf(standing) / 1000)}`);
  }
}

/** @param ms until the next one may come. */
export function tooMany(ms: number): Problem {
  const seconds = Math.ceil(ms / 1000 + between(0, 2));
  return new Problem("rate-limited", "Too many requests. Retry-After says when to go on.", {
    headers: { "Retry-After": String(Math.max(1, seconds)) },
  });
}

/** Ms until the window ends. */
const leftOf = ({ resetAt }: Standing): number => Math.max(0, resetAt - performance.now());

/** The part of a Redis client that the limiter needs, over a link that reconnects and never waits long. */
function storeOf(redis: RedisRunner): object {
  const run = impatient(redis);
  return {
    eval: (script: string, args: { keys: string[]; arguments: string[] }) =>
      run((client) => client.eval(script, args)),
    del: (key: string) => run((client) => client.del(key)),
  };
}
