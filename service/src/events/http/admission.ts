/** How many streams there may be, and how fast they may come. */
import { TokenBucket } from "../../platform/token-bucket.ts";

export interface AdmissionLimits {
  /** Streams and waiting polls of this process. */
  readonly perProcess: number;
  /** Streams and waiting polls of one address. */
  readonly perAddress: number;
  /** Streams and waiting polls of one known user. */
  readonly perUser: number;
  /** New streams a second, over time. */
  readonly rate: number;
  /** New streams at once: as many as may come after a restart of the edge. */
  readonly burst: number;
  /** The same of one address. */
  readonly ratePerAddress: number;
  readonly burstPerAddress: number;
}

/** What one stream holds. It is given back exactly once, however often `leave` is called. */
export interface Admitted {
  readonly holders: string[];
  isHeld: boolean;
  /** Whether it has a token of the rate and is no stream yet. */
  owesToken: boolean;
}

/** The addresses whose rate is remembered. One that is forgotten begins anew, within the rate of all. */
const MAX_ADDRESSES = 20_000;

/** Decides who may hold a connection open, before anything else is spent on it. */
export class Admission {
  readonly #limits: AdmissionLimits;
  readonly #now: () => number;
  readonly #held = new Map<string, number>();
  #size = 0;
  readonly #rate: TokenBucket;
  /** The one that was asked for least recently comes first. */
  readonly #rates = new Map<string, TokenBucket>();

  /** @param now a clock in ms. */
  constructor(limits: AdmissionLimits, now: () => number = () => performance.now()) {
    this.#limits = limits;
    this.#now = now;
    this.#rate = new TokenBucket(limits.rate * 60, limits.burst, now);
  }

  get size(): number {
    return this.#size;
  }

  /** Admits a new stream. @returns undefined when there are enough streams, or they come too fast. */
  enter(address: string, userId?: string): Admitted | undefined {
    const admitted = this.hold(address, userId);
    // A stream that is rejected for want of a place takes no token.
    if (!admitted) return undefined;
    const ofAddress = this.#rateOf(address);
    if (ofAddress.take() === 0) {
      admitted.owesToken = this.#rate.take() === 0;
      if (admitted.owesToken) return admitted;
      ofAddress.giveBack();
    }
    this.leave(admitted);
    return undefined;
  }

  /** What was admitted is a stream now, and has used up its token. */
  open(admitted: Admitted): void {
    admitted.owesToken = false;
  }

  /** Admits a waiting request. It is bounded like a stream, but cheap to begin, so the rate does not apply. */
  hold(address: string, userId?: string): Admitted | undefined {
    const { perProcess, perAddress, perUser } = this.#limits;
    const user = userId === undefined ? undefined : `user ${userId}`;
    if (this.#size >= perProcess || this.#heldBy(address) >= perAddress) return undefined;
    if (user !== undefined && this.#heldBy(user) >= perUser) return undefined;
    const holders = user === undefined ? [address] : [address, user];
    for (const holder of holders) this.#held.set(holder, this.#heldBy(holder) + 1);
    this.#size++;
    return { holders, isHeld: true, owesToken: false };
  }

  /**
   * Adds the user to an admitted stream.
   * @returns false when this user has enough streams. Then the stream is given back.
   */
  claim(admitted: Admitted, userId: string): boolean {
    const user = `user ${userId}`;
    if (!admitted.isHeld) return false;
    if (this.#heldBy(user) >= this.#limits.perUser) {
      this.leave(admitted);
      return false;
    }
    admitted.holders.push(user);
    this.#held.set(user, this.#heldBy(user) + 1);
    return true;
  }

  /**
   * Gives a place back. A request that became no stream gives its token back too, or whoever sends many that are refused
   * would keep everybody out. Its own address has still used one.
   */
  leave(admitted: Admitted): void {
    if (!admitted.isHeld) return;
    if (admitted.owesToken) this.#rate.giveBack();
    admitted.isHeld = false;
    this.#size--;
    for (const holder of admitted.holders) {
      const held = this.#heldBy(holder) - 1;
      if (held <= 0) this.#held.delete(holder);
      else this.#held.set(holder, held);
    }
  }

  #rateOf(address: string): TokenBucket {
    const { ratePerAddress, burstPerAddress } = this.#limits;
    const rate = this.#rates.get(address) ?? new TokenBucket(ratePerAddress * 60, burstPerAddress, this.#now);
    this.#rates.delete(address);
    this.#rates.set(address, rate);
    for (const oldest of this.#rates.keys()) {
      if (this.#rates.size <= MAX_ADDRESSES) break;
      this.#rates.delete(oldest);
    }
    return rate;
  }

  #heldBy(holder: string): number {
    return this.#held.get(holder) ?? 0;
  }
}
