/** Web push as one object: what a replica starts and stops, and what its routes are made of. */
import type pg from "pg";
import { between, pause, withDeadline } from "../platform/deadline.ts";
import type { Config } from "../platform/env/config.ts";
import type { Logger } from "../platform/logging.ts";
import { RateLimit } from "../platform/rate-limit.ts";
import type { RedisRunner } from "../platform/redis.ts";
import { Delivery, type CountPush } from "./delivery.ts";
import { publicReach, type PushReach } from "./endpoint.ts";
import { askGate } from "./gate.ts";
import type { PushParts } from "./http/router.ts";
import { PushStore } from "./store.ts";

export interface PushOptions {
  readonly config: Pick<Config, "push" | "stack" | "events">;
  readonly pool: pg.Pool;
  readonly redis: RedisRunner | undefined;
  readonly count: CountPush;
  readonly logger: Logger;
  /** How push services are reached; default: as anybody on the internet. */
  readonly reach?: PushReach;
}

/** The devices are learned again after a random 0.5 to 1.5 of this, in ms. */
const LEARN_MS = 60_000;
/** What is due is looked for after a random 0.5 to 1.5 of this, in ms. */
const RETRY_MS = 2000;
/** How long a replica that stops waits for messages that are on their way, in ms: the most of what the end leaves it. */
const STOP_MS = 1500;
/** How many tests one user sends in a minute. */
const TESTS_PER_MINUTE = 10;
/** How many renewed subscriptions one address tells of in a minute: a browser renews its own after months. */
const RENEWALS_PER_MINUTE = 10;

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
    const { keys, contact, hookSecret, gateUrl } = config.push;
    if (!keys || contact === undefined || hookSecret === undefined) return undefined;
    const store = new PushStore(pool, keys.publicKey);
    const limit = (name: string, points: number): RateLimit =>
      new RateLimit({ name, points, windowSeconds: 60, batch: 1 }, redis);
    return new Push({
      store,
      delivery: new Delivery({ store, sender: { keys, contact }, reach, count, logger }),
      publicKey: keys.publicKey,
      hookSecret,
      isAllowed: reach.isAllowed,
      tests: limit("push-tests", TESTS_PER_MINUTE),
      renewals: limit("push-renewals", RENEWALS_PER_MINUTE),
      trustProxyHops: config.events.trustProxyHops,
      stack: config.stack,
      gate: () => askGate(gateUrl),
    });
  }

  /** Keeps the devices in memory, for alerts about a PostgreSQL that is away, and tries again what is due. */
  start(): void {
    const { delivery } = this.parts;
    this.#repeat(LEARN_MS, () => delivery.learn());
    this.#repeat(RETRY_MS, () => delivery.retry());
  }

  /** Begins nothing any more, and waits for what is on its way: what is sent and not noted would be sent again. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    await withDeadline("web push", STOP_MS, this.parts.delivery.idle()).catch(() => undefined);
  }

  /** While PostgreSQL is away it just tries again. */
  #repeat(everyMs: number, work: () => Promise<void>): void {
    const { signal } = this.#stopped;
    const repeat = async (): Promise<void> => {
      while (!signal.aborted) {
        await work().catch(() => undefined);
        await pause(between(0.5, 1.5) * everyMs, signal);
      }
    };
    void repeat();
  }
}
