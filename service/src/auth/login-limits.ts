/** Whose wrong passwords count against whom. */
import type { RedisRunner } from "../platform/redis.ts";
import { FailureLimit } from "../platform/failure-limit.ts";
import type { LoginLimitsConfig } from "../platform/env/config.ts";
import type { BoundTokens } from "./credentials/bound-tokens.ts";
import { KnownAddresses } from "./known-addresses.ts";
import { hashToken } from "./credentials/secrets.ts";
import { normalName } from "./stores/users.ts";

/** So many times the limit of one user at one address is the limit of this user at all addresses together. */
const ADDRESSES = 10;

export interface LoginSource {
  readonly username: string;
  readonly address: string;
  /** What the request's cookies say; not checked yet. */
  readonly devices: readonly string[];
}

interface Counter {
  readonly limit: FailureLimit;
  readonly key: string;
}

/** One login: may its password be checked, and was it right? */
export interface LoginAttempt {
  /** Stands for the device that the request's cookie proves, from which this user has logged in before. */
  readonly device: string | undefined;
  /** @throws Problem 429 when its password must not be checked now. */
  check(): Promise<void>;
  /** Counts a password that is proven to be wrong. Everything else that can go wrong is not counted. */
  fail(): Promise<void>;
  succeed(): Promise<void>;
}

/**
 * Where wrong passwords are counted. A device from which this user has logged in before has a count of its own, as long as
 * that is not used up (OWASP, "Slow Down Online Guessing Attacks with Device Cookies"). So whatever strangers guess, it
 * keeps nobody out who was in before. Everybody else is counted by user and address, so that a guesser has no say over the
 * user at another address, then by address, and by user everywhere. That last one does not hold where the user has logged in
 * from before: guessers at ten other addresses can use it up for ever, and programs keep no cookies.
 */
export class LoginLimits {
  readonly #devices: BoundTokens;
  readonly #addresses: KnownAddresses;
  readonly #limits: Readonly<Record<"address" | "userAtAddress" | "user" | "device", FailureLimit>>;

  constructor(config: LoginLimitsConfig, devices: BoundTokens, redis: RedisRunner | undefined) {
    this.#devices = devices;
    this.#addresses = new KnownAddresses(redis);
    const limit = (name: string, points: number): FailureLimit =>
      new FailureLimit({ name, points, windowSeconds: config.loginWindowSeconds }, redis);
    this.#limits = {
      address: limit("logins", config.loginsPerAddress),
      userAtAddress: limit("user-address-logins", config.loginsPerUser),
      user: limit("user-logins", config.loginsPerUser * ADDRESSES),
      device: limit("device-logins", config.loginsPerUser),
    };
  }

  attempt({ username, address, devices }: LoginSource): LoginAttempt {
    const { address: byAddress, userAtAddress, user, device } = this.#limits;
    const name = normalName(username);
    const nameKey = hashToken(name).toString("base64url");
    const token = devices.find((each) => this.#devices.isValid(name, each));
    const pair: Counter = { limit: userAtAddress, key: `${nameKey}:${address}` };
    const asStranger = [{ limit: byAddress, key: address }, pair, { limit: user, key: nameKey }];
    const deviceKey = token && hashToken(token).toString("base64url");
    const asKnown: readonly Counter[] | undefined = deviceKey
      ? [{ limit: device, key: deviceKey }]
      : undefined;
    let counters: readonly Counter[] = asKnown ?? asStranger;
    let isFromKnown: Promise<boolean> | undefined;
    const check = async (): Promise<void> => {
      const isFamiliar =
        counters === asStranger && (await (isFromKnown ??= this.#addresses.has(nameKey, address)));
      const holding = isFamiliar ? counters.filter(({ limit }) => limit !== user) : counters;
      await Promise.all(holding.map(({ limit, key }) => limit.check(key)));
    };
    return {
      device: deviceKey,
      async check() {
        if (!asKnown) return check();
        try {
          counters = asKnown;
          await check();
        } catch {
          counters = asStranger;
          await check();
        }
      },
      async fail() {
        await Promise.all(counters.map(({ limit, key }) => limit.count(key)));
      },
      succeed: async () => {
        const used = [pair, ...(asKnown ?? [])].map(({ limit, key }) => limit.forget(key));
        await Promise.all([...used, this.#addresses.add(nameKey, address)]);
      },
    };
  }

  /** What a device gets that this user has logged in from. */
  newDevice(username: string): string {
    return this.#devices.create(normalName(username));
  }
}
