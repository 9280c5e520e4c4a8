/** Sessions in Redis. */
import { z } from "zod";
import type { RedisRunner } from "../../platform/redis.ts";
import { SCOPES } from "../principal.ts";
import { MAX_SESSIONS_OF_USER, type Session, type SessionStore } from "./sessions.ts";

const DEADLINE_MS = 1000;
const keys = { session: "omniai:session:", user: "omniai:user-sessions:" };

const sessionSchema = z.object({
  userId: z.string(),
  name: z.string(),
  scopes: z.array(z.enum(SCOPES)),
  createdAt: z.number(),
  usedAt: z.number(),
});

/**
 * One step, in Redis: what it reads of a user's sessions stays there, and two logins do not both find room. Sessions end by
 * themselves and leave their key in the set, where it would stay as long as the user logs in, so it goes here.
 *
 * KEYS: the session, the user's set. ARGV: the session's text, its key in the set, what comes before that in a name, how
 * many sessions a user may have, ms that the session lasts, ms that the set lasts.
 */
const PUT = `
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[5])
redis.call('SADD', KEYS[2], ARGV[2])
redis.call('PEXPIRE', KEYS[2], ARGV[6])
local others = {}
for _, key in ipairs(redis.call('SMEMBERS', KEYS[2])) do
  local text = redis.call('GET', ARGV[3] .. key)
  if not text then
    redis.call('SREM', KEYS[2], key)
  elseif key ~= ARGV[2] then
    others[#others + 1] = {key = key, usedAt = tonumber(string.match(text, '"usedAt":(%d+)') or 0)}
  end
end
table.sort(others, function(left, right) return left.usedAt < right.usedAt end)
for at = 1, #others + 1 - tonumber(ARGV[4]) do
  redis.call('DEL', ARGV[3] .. others[at].key)
  redis.call('SREM', KEYS[2], others[at].key)
end
`;

/** Sessions for all replicas. Redis ends them by itself. For each user there is a set of the keys of their sessions. */
export class RedisSessionStore implements SessionStore {
  readonly #redis: RedisRunner;
  readonly #maxMs: number;

  /** @param maxMs the longest that a session lasts. A user's set is kept for as long after the last login. */
  constructor(redis: RedisRunner, maxMs: number) {
    this.#redis = redis;
    this.#maxMs = maxMs;
  }

  async put(key: string, session: Session, ttlMs: number): Promise<void> {
    // Nobody knows the session's id before it is written, and the login checks afterwards whether the user was disabled in
    // the meantime.
    const times = [ttlMs, this.#maxMs].map((ms) => String(Math.ceil(ms)));
    await this.#redis.run(DEADLINE_MS, (client) =>
      client.eval(PUT, {
        keys: [keys.session + key, keys.user + session.userId],
        arguments: [JSON.stringify(session), key, keys.session, String(MAX_SESSIONS_OF_USER), ...times],
      }),
    );
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

/** Text that is not a session of ours counts as none. */
function parse(text: string | null): Session | undefined {
  if (text === null) return undefined;
  try {
    return sessionSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}
