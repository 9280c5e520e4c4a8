/** From where a user has logged in before. */
import { remember } from "../platform/bounded-map.ts";
import { impatient, type ImpatientRedis } from "../platform/impatient-redis.ts";
import type { RedisRunner } from "../platform/redis.ts";
import { hashToken } from "./credentials/secrets.ts";

/** How many addresses of one user are remembered: the newest. */
const MAX_ADDRESSES = 10;
/** How long after the last login, in seconds. */
const REMEMBER_SECONDS = 30 * 86_400;
/** How many users a process without Redis remembers. */
const MAX_USERS = 1000;

const PREFIX = "omniai:login-addresses:";

/**
 * One step, in Redis: of two logins at the same time neither writes what it read before the other.
 *
 * KEYS: the user's text. ARGV: the mark, how many are kept, seconds.
 */
const ADD = `
local marks = {ARGV[1]}
for mark in string.gmatch(redis.call('GET', KEYS[1]) or '', '%S+') do
  if mark ~= ARGV[1] and #marks < tonumber(ARGV[2]) then marks[#marks + 1] = mark end
end
redis.call('SET', KEYS[1], table.concat(marks, ' '), 'EX', ARGV[3])
`;

/**
 * Remembers the addresses of right logins, as hashes: one short text for each user, however often and from how many
 * addresses they log in. While Redis is away nothing is known.
 */
export class KnownAddresses {
  readonly #redis: ImpatientRedis | undefined;
  readonly #alone = new Map<string, string>();

  /** @param redis left out for a process alone. */
  constructor(redis: RedisRunner | undefined) {
    this.#redis = redis && impatient(redis);
  }

  /** @param nameKey stands for the user's name. */
  async has(nameKey: string, address: string): Promise<boolean> {
    const known = this.#redis
      ? await this.#redis((client) => client.get(PREFIX + nameKey)).catch(() => null)
      : this.#alone.get(nameKey);
    return known?.split(" ").includes(markOf(nameKey, address)) ?? false;
  }

  async add(nameKey: string, address: string): Promise<void> {
    const mark = markOf(nameKey, address);
    if (!this.#redis) return this.#addAlone(nameKey, mark);
    const values = [mark, MAX_ADDRESSES, REMEMBER_SECONDS].map(String);
    await this.#redis((client) => client.eval(ADD, { keys: [PREFIX + nameKey], arguments: values })).catch(
      () => undefined,
    );
  }

  #addAlone(nameKey: string, mark: string): void {
    const others = (this.#alone.get(nameKey)?.split(" ") ?? []).filter((each) => each !== mark);
    remember(this.#alone, MAX_USERS, nameKey, [mark, ...others].slice(0, MAX_ADDRESSES).join(" "));
  }
}

const markOf = (nameKey: string, address: string): string =>
  hashToken(`${nameKey}:${address}`).toString("base64url").slice(0, 22);
