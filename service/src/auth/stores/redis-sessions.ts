/** Sessions in Redis. */
import { z } from "zod";
import type { RedisClient, RedisLink } from "../../platform/redis.ts";
import { SCOPES } from "../principal.ts";
import type { Session, SessionStore } from "./sessions.ts";

const DEADLINE_MS = 1000;
const keys = { session: "omniai:session:", user: "omniai:user-sessions:" };

const sessionSchema = z.object({
  userId: z.string(),
  name: z.string(),
  scopes: z.array(z.enum(SCOPES)),
  createdAt: z.number(),
  usedAt: z.number(),
});

/** Sessions for all replicas. Redis ends them by itself. For each user there is a set of the keys of their sessions. */
export class RedisSessionStore implements SessionStore {
  readonly #redis: RedisLink;
  readonly #maxMs: number;

  /** @param maxMs the longest that a session lasts. A user's set is kept for as long after the last login. */
  constructor(redis: RedisLink, maxMs: number) {
    this.#redis = redis;
    this.#maxMs = maxMs;
  }

  async put(key: string, session: Session, ttlMs: number): Promise<void> {
    const set = keys.user + session.userId;
    await this.#redis.run(DEADLINE_MS, async (client) => {
      // The session first: a key in the set without a session is one that has ended. Nobody knows the session's id before
      // both are written, and the login checks afterwards whether the user was disabled in the meantime.
      await client.set(keys.session + key, JSON.stringify(session), {
        expiration: { type: "PX", value: Math.ceil(ttlMs) },
      });
      await client.sAdd(set, key);
      await client.pExpire(set, this.#maxMs);
      await removeEnded(client, set);
    });
  }

  async get(key: string): Promise<Session | undefined> {
    const text = await this.#redis.run(DEADLINE_MS, (client) => client.get(keys.session + key));
    return parse(text);
  }

  async renew(key: string, session: Session, ttlMs: number): Promise<void> {
    await this.#redis.run(DEADLINE_MS, (client) =>
      client.set(keys.session + key, JSON.stringify(session), {
        condition: "XX",
        expiration: { type: "PX", value: Math.max(1, Math.ceil(ttlMs)) },
      }),
    );
  }

  async remove(key: string): Promise<Session | undefined> {
    return this.#redis.run(DEADLINE_MS, async (client) => {
      const session = parse(await client.get(keys.session + key));
      await client.del(keys.session + key);
      if (session) await client.sRem(keys.user + session.userId, key);
      return session;
    });
  }

  async removeOf(userId: string): Promise<void> {
    const set = keys.user + userId;
    await this.#redis.run(DEADLINE_MS, async (client) => {
      const known = await client.sMembers(set);
      if (known.length === 0) return;
      await client.del(known.map((key) => keys.session + key));
      await client.sRem(set, known);
    });
  }
}

/** Sessions end by themselves and leave their key in the set, where it would stay as long as the user logs in. */
async function removeEnded(client: RedisClient, set: string): Promise<void> {
  const known = await client.sMembers(set);
  const sessions = await client.mGet(known.map((key) => keys.session + key));
  const ended = known.filter((_, index) => sessions[index] === null);
  if (ended.length > 0) await client.sRem(set, ended);
}

/** Text that is not a session of ours counts as none. */
function parse(text: string | null): Session | undefined {
  if (text === null) return undefined;
  try {
    return sessionSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}
