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
    return (await this.#of(nameKey)).includes(markOf(nameKey, address));
  }

  async add(nameKey: string, address: string): Promise<void> {
    const mark = markOf(nameKey, address);
    const others = (await this.#of(nameKey)).filter((each) => each !== mark);
    const text = [mark, ...others].slice(0, MAX_ADDRESSES).join(" ");
    const expiration = { type: "EX", value: REMEMBER_SECONDS } as const;
    if (this.#redis)
      await this.#redis((client) => client.set(PREFIX + nameKey, text, { expiration })).catch(
        () => undefined,
      );
    else remember(this.#alone, MAX_USERS, nameKey, text);
  }

  /** The newest first. */
  async #of(nameKey: string): Promise<string[]> {
    const known = this.#redis
      ? await this.#redis((client) => client.get(PREFIX + nameKey)).catch(() => null)
      : this.#alone.get(nameKey);
    return known ? known.split(" ") : [];
  }
}

const markOf = (nameKey: string, address: string): string =>
  hashToken(`${nameKey}:${address}`).toString("base64url").slice(0, 22);
