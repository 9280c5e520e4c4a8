/** Redis for limits, which must not make a request wait. */
import { withDeadline } from "./deadline.ts";
import { RedisUnavailableError, type RedisClient, type RedisRunner } from "./redis.ts";

/** The longest that a request waits for Redis, in ms. Then this process counts alone, for `ALONE_MS` without asking. */
export const PATIENCE_MS = 250;
const ALONE_MS = 1000;
/** The link's own deadline, in ms. It is longer, so that an impatient command does not cut a connection that is only slow. */
const LINK_MS = 2000;

export type ImpatientRedis = <T>(command: (client: RedisClient) => Promise<T>) => Promise<T>;

/** @returns what runs commands, and rejects soon, and at once for a moment after Redis did not answer. */
export function impatient(redis: RedisRunner): ImpatientRedis {
  let aloneUntil = 0;
  return async (command) => {
    if (performance.now() < aloneUntil) throw new RedisUnavailableError("it was a moment ago");
    try {
      return await withDeadline("Redis", PATIENCE_MS, redis.run(LINK_MS, command));
    } catch (error) {
      aloneUntil = performance.now() + ALONE_MS;
      throw error;
    }
  };
}
