/** A number of bytes that many share, each holder only so much of it. */
export interface ByteLimits {
  /** Of all together. */
  readonly total: number;
  /** Of one holder, an address. */
  readonly perHolder: number;
}

/** Gives back what was taken, once, however often it is called. */
export type GiveBack = () => void;

/**
 * How many bytes may be under way in this process: taken before they are read or made, and given back when nothing holds
 * them any more. Who gets none is told to come back, which costs less than what they would.
 */
export class ByteBudget {
  readonly #limits: ByteLimits;
  readonly #held = new Map<string, number>();
  #used = 0;

  constructor(limits: ByteLimits) {
    this.#limits = limits;
  }

  get used(): number {
    return this.#used;
  }

  /** @returns what gives it back; or why there is nothing: this holder has enough, or all together have. */
  take(holder: string, bytes: number): GiveBack | "holder" | "all" {
    const held = this.#held.get(holder) ?? 0;
    if (held + bytes > this.#limits.perHolder) return "holder";
    if (this.#used + bytes > this.#limits.total) return "all";
    this.#held.set(holder, held + bytes);
    this.#used += bytes;
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      this.#used -= bytes;
      const rest = (this.#held.get(holder) ?? 0) - bytes;
      if (rest > 0) this.#held.set(holder, rest);
      else this.#held.delete(holder);
    };
  }
}
