/** How many streams there may be, and how fast they may come. */
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
}

/** What one stream holds. It is given back exactly once, however often `leave` is called. */
export interface Admitted {
  readonly holders: string[];
  isHeld: boolean;
}

/** Decides who may hold a connection open, before anything else is spent on it. */
export class Admission {
  readonly #limits: AdmissionLimits;
  readonly #now: () => number;
  readonly #held = new Map<string, number>();
  #size = 0;
  #tokens: number;
  #filledAt: number;

  /** @param now a clock in ms. */
  constructor(limits: AdmissionLimits, now: () => number = () => performance.now()) {
    this.#limits = limits;
    this.#now = now;
    this.#tokens = limits.burst;
    this.#filledAt = now();
  }

  get size(): number {
    return this.#size;
  }

  /** Admits a new stream. @returns undefined when there are enough streams, or they come too fast. */
  enter(address: string, userId?: string): Admitted | undefined {
    const now = this.#now();
    const { rate, burst } = this.#limits;
    this.#tokens = Math.min(burst, this.#tokens + ((now - this.#filledAt) / 1000) * rate);
    this.#filledAt = now;
    if (this.#tokens < 1) return undefined;
    const admitted = this.hold(address, userId);
    // A stream that is rejected for another reason takes no token.
    if (admitted) this.#tokens--;
    return admitted;
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
    return { holders, isHeld: true };
  }

  /**
   * Adds the user to an admitted stream.
   * @returns false when this user has enough streams. Then the stream is given back, and its token too.
   */
  claim(admitted: Admitted, userId: string): boolean {
    const user = `user ${userId}`;
    if (!admitted.isHeld) return false;
    if (this.#heldBy(user) >= this.#limits.perUser) {
      this.leave(admitted);
      this.#tokens++;
      return false;
    }
    admitted.holders.push(user);
    this.#held.set(user, this.#heldBy(user) + 1);
    return true;
  }

  leave(admitted: Admitted): void {
    if (!admitted.isHeld) return;
    admitted.isHeld = false;
    this.#size--;
    for (const holder of admitted.holders) {
      const held = this.#heldBy(holder) - 1;
      if (held <= 0) this.#held.delete(holder);
      else this.#held.set(holder, held);
    }
  }

  #heldBy(holder: string): number {
    return this.#held.get(holder) ?? 0;
  }
}
