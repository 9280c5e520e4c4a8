export interface AdmissionLimits {
  /** Streams and waiting polls of this process. */
  readonly perProcess: number;
  /** The same of one address. */
  readonly perAddress: number;
  /** The same of one known user. */
  readonly perUser: number;
  /** New streams a second, over time. */
  readonly rate: number;
  /** New streams at once: as many as there may be after a restart of what is in front. */
  readonly burst: number;
}

/** What one stream holds; given back exactly once, however often it is asked to. */
export interface Admitted {
  readonly holders: string[];
  isHeld: boolean;
}

/** Who may hold a connection open: decided before anything else is spent on it. */
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

  /** A new stream. @returns undefined when there are enough of them, or they come too fast. */
  enter(address: string, userId?: string): Admitted | undefined {
    const now = this.#now();
    const { rate, burst } = this.#limits;
    this.#tokens = Math.min(burst, this.#tokens + ((now - this.#filledAt) / 1000) * rate);
    this.#filledAt = now;
    if (this.#tokens < 1) return undefined;
    const admitted = this.hold(address, userId);
    // Whoever is turned away for another reason takes no token from those who are not.
    if (admitted) this.#tokens--;
    return admitted;
  }

  /** A request that waits: bounded like streams, but it is cheap to begin. */
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
   * The same, now that it is known whose it is.
   * @returns false when this user has enough of them: it is given back then, and with it what it took of the rate.
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
