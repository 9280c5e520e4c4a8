/** A budget of bytes that many share, with a limit for each of them. */
export interface ByteLimits {
  /** For all holders together. */
  readonly total: number;
  /** For one holder, which is an address. */
  readonly perHolder: number;
}

/** Gives back what was taken, exactly once, however often it is called. */
export type GiveBack = () => void;

/** Who has used up the budget: this holder, or all together. */
export type UsedUp = "holder" | "all";

/** What is held of a budget. */
export interface Hold {
  /** Holds so many bytes from now on; unless that is more than there is, then all stays as it was. */
  resize(bytes: number): UsedUp | undefined;
}

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

  /** @returns a function that gives it back, or who has used up the budget. */
  take(holder: string, bytes: number): GiveBack | UsedUp {
    const hold = this.hold(holder, bytes);
    return typeof hold === "string" ? hold : () => void hold.resize(0);
  }

  /** Takes what may become more or less. 0 bytes give it back. */
  hold(holder: string, bytes: number): Hold | UsedUp {
    let held = 0;
    const resize = (wanted: number): UsedUp | undefined => {
      const usedUp = this.#add(holder, wanted - held);
      if (usedUp === undefined) held = wanted;
      return usedUp;
    };
    return resize(bytes) ?? { resize };
  }

  #add(holder: string, bytes: number): UsedUp | undefined {
    const held = (this.#held.get(holder) ?? 0) + bytes;
    if (bytes > 0 && held > this.#limits.perHolder) return "holder";
    if (bytes > 0 && this.#used + bytes > this.#limits.total) return "all";
    this.#used += bytes;
    if (held > 0) this.#held.set(holder, held);
    else this.#held.delete(holder);
    return undefined;
  }
}
