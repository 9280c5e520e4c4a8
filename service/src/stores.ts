/** Where a replica keeps things outside of its memory. */
import type pg from "pg";
import type { AuthStores } from "./auth/parts.ts";
import { RedisRevocations } from "./auth/stores/redis-revocations.ts";
import { RedisSessionStore } from "./auth/stores/redis-sessions.ts";
import type { Config } from "./platform/env/config.ts";
import { RedisReplicaRegistry, type LocalStreams, type ReplicaRegistry } from "./diag/replica-registry.ts";
import type { EventLog } from "./events/log/log.ts";
import { RedisEventLog, withRoom } from "./events/log/redis-log.ts";
import type { Logger } from "./platform/logging.ts";
import { createPool } from "./platform/postgres.ts";
import { RedisLink } from "./platform/redis.ts";

/**
 * The code above the stores is the same, whether they are in PostgreSQL and Redis or, as in `npm run dev`, in the process.
 * `startService` opens and closes them.
 */
export interface Stores {
  readonly pool: pg.Pool;
  /** Undefined where there is one replica and no Redis: code that uses it needs another way then. */
  readonly redis: RedisLink | undefined;
  readonly log: EventLog;
  readonly auth: AuthStores;
  registry(local: LocalStreams): ReplicaRegistry;
}

/** Each replica tells the others how many streams it has after a random 0.7 to 1.3 of this, in ms. */
const ANNOUNCE_MS = 3000;

/** PostgreSQL and Redis, as the configuration names them. Both may still be away. */
export function connectedStores(config: Config, logger: Logger): Stores {
  const name = `omniai-${config.replica}`;
  const redis = new RedisLink(config.redis, name, logger, { idleMs: 3000, isPinging: true });
  // A link of its own, because it waits in a blocking read most of the time.
  const revocationLink = new RedisLink(config.redis, `${name}-auth`, logger, {
    idleMs: 6000,
    isPinging: false,
  });
  // A full Redis must refuse neither a login nor its end, and has to count wrong passwords for all replicas.
  const roomy = withRoom(redis, logger);
  return {
    pool: createPool(config.postgres, name, logger),
    redis,
    log: new RedisEventLog(config.events, config.redis, redis, logger),
    auth: {
      sessions: new RedisSessionStore(roomy, config.auth.sessionMaxMs),
      revocations: new RedisRevocations(roomy, revocationLink, config.auth.accessTokenMs, logger),
      redis: roomy,
    },
    registry: (local) => new RedisReplicaRegistry(redis, local, ANNOUNCE_MS, logger),
  };
}
