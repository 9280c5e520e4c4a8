/** A budget of bytes that many share, with a limit for each of them. */
export interface ByteLimits {
  /** For all holders together. */
  readonly total: number;
  /** For one holder, which is an address. */
  readonly perHolder: number;
}

/** Gives back what was taken, exactly once, however often it is called. */
export type GiveBack = () => void;

/**
 * How many bytes may be under way in this process. They are taken before they are read or made, and given back when nothing
 * holds them any longer. A client that gets none is told to come back, which costs less than its request.
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

  /** @returns a function that gives it back, or who has used up the budget: this holder, or all together. */
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
