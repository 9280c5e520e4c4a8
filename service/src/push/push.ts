/** Web push as one object: what a replica starts and stops, and what its routes are made of. */
import type pg from "pg";
import { between, pause } from "../platform/deadline.ts";
import type { Config } from "../platform/env/config.ts";
import type { Logger } from "../platform/logging.ts";
import { RateLimit } from "../platform/rate-limit.ts";
import type { RedisRunner } from "../platform/redis.ts";
import { Delivery, type CountPush } from "./delivery.ts";
import { publicReach, type PushReach } from "./endpoint.ts";
import type { PushParts } from "./http/router.ts";
import { PushStore } from "./store.ts";

export interface PushOptions {
  readonly config: Pick<Config, "push" | "stack">;
  readonly pool: pg.Pool;
  readonly redis: RedisRunner | undefined;
  readonly count: CountPush;
  readonly logger: Logger;
  /** How push services are reached; default: as anybody on the internet. */
  readonly reach?: PushReach;
}

/** The devices are learned again after a random 0.5 to 1.5 of this, in ms. */
const LEARN_MS = 60_000;
/** How many tests one user sends in a minute. */
const TESTS_PER_MINUTE = 10;

export class Push {
  readonly parts: PushParts;
  readonly store: PushStore;
  readonly #stopped = new AbortController();

  constructor(parts: PushParts) {
    this.parts = parts;
    this.store = parts.store;
  }

  /** @returns undefined for a stack without web push. */
  static of({ config, pool, redis, count, logger, reach = publicReach() }: PushOptions): Push | undefined {
    const { keys, contact, hookSecret } = config.push;
    if (!keys || contact === undefined || hookSecret === undefined) return undefined;
    const store = new PushStore(pool, keys.publicKey);
    return new Push({
      store,
      delivery: new Delivery({ store, sender: { keys, contact }, reach, count, logger }),
      publicKey: keys.publicKey,
      hookSecret,
      isAllowed: reach.isAllowed,
      tests: new RateLimit(
        { name: "push-tests", points: TESTS_PER_MINUTE, windowSeconds: 60, batch: 1 },
        redis,
      ),
      stack: config.stack,
    });
  }

  /** Keeps the devices in memory, for alerts about a PostgreSQL that is away. */
  start(): void {
    const { signal } = this.#stopped;
    const repeat = async (): Promise<void> => {
      while (!signal.aborted) {
        await this.parts.delivery.learn().catch(() => undefined);
        await pause(between(0.5, 1.5) * LEARN_MS, signal);
      }
    };
    void repeat();
  }

  stop(): void {
    this.#stopped.abort();
  }
}
