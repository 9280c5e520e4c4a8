/** The order in which logins have their passwords checked. */
import { between } from "../../platform/deadline.ts";
import { Problem } from "../../platform/problems.ts";
import type { Semaphore } from "../../platform/semaphore.ts";

/** How many logins may be under way, in all and of one address: an office in the morning, and room beside it. */
const MAX_PENDING = 256;
const MAX_PENDING_OF_ADDRESS = 192;
/**
 * The same for one name, without its devices and for all of these, and of one address (or of one device): they come one after the other, so no
 * more would have their turn in time, and whoever knows one password must not take the places of everybody.
 */
const MAX_PENDING_OF_NAME = 32;
const MAX_PENDING_OF_SOURCE = 8;

/** The longest wait, in ms. The edge takes a replica for hung after a longer time without an answer. */
export const PATIENCE_MS = 4000;

export const busy = (): Problem =>
  new Problem("login-busy", "Too many logins at the moment.", {
    headers: { "Retry-After": String(Math.ceil(between(0.1, 4))) },
  });

/** Whose login it is. */
export interface LoginOrigin {
  readonly address: string;
  readonly name: string;
  /** Stands for a device from which this user has logged in before. */
  readonly device?: string | undefined;
}

/**
 * Lets logins wait for their turn, within bounds. Whoever finds no place, or waits for too long, is told to come again and
 * is not counted. Those of one user come one after the other, so that each knows what became of the one before it. A
 * device that is known has a row of its own: whatever strangers do in its user's name, it does not wait for them.
 */
export class LoginQueue {
  readonly #turns: Semaphore;
  #pending = 0;
  /** Those of each address, name and source. */
  readonly #held = new Map<string, number>();
  /** What the next login of a row waits for. */
  readonly #lastOf = new Map<string, Promise<unknown>>();

  constructor(turns: Semaphore) {
    this.#turns = turns;
  }

  /** Does `work` in its turn. @throws Problem 503 when too many wait, or for too long. */
  async run<T>(origin: LoginOrigin, work: () => Promise<T>): Promise<T> {
    const { address, name, device } = origin;
    const row = device === undefined ? `name ${name}` : `device ${device}`;
    const bounds: readonly (readonly [string, number])[] = [
      [`address ${address}`, MAX_PENDING_OF_ADDRESS],
      ...(device === undefined
        ? ([
            [row, MAX_PENDING_OF_NAME],
            [`name ${name} at ${address}`, MAX_PENDING_OF_SOURCE],
          ] as const)
        : ([
            [row, MAX_PENDING_OF_SOURCE],
            // Each right login makes another device, so whoever knows one password has as many as they like.
            [`devices of ${name}`, MAX_PENDING_OF_NAME],
          ] as const)),
    ];
    if (this.#pending >= MAX_PENDING || bounds.some(([key, most]) => this.#heldBy(key) >= most)) throw busy();
    this.#pending++;
    for (const [key] of bounds) this.#held.set(key, this.#heldBy(key) + 1);
    const end = performance.now() + PATIENCE_MS;
    const before = this.#lastOf.get(row);
    const mine = this.#after(before, end, work);
    // Whoever waits for this one does not care how it ended.
    const settled = mine.catch(() => undefined);
    this.#lastOf.set(row, settled);
    try {
      return await mine;
    } finally {
      if (this.#lastOf.get(row) === settled) this.#lastOf.delete(row);
      this.#pending--;
      for (const [key] of bounds) {
        const left = this.#heldBy(key) - 1;
        if (left > 0) this.#held.set(key, left);
        else this.#held.delete(key);
      }
    }
  }

  #heldBy(key: string): number {
    return this.#held.get(key) ?? 0;
  }

  async #after<T>(before: Promise<unknown> | undefined, end: number, work: () => Promise<T>): Promise<T> {
    await before;
    const ms = end - performance.now();
    if (ms <= 0 || !(await this.#turns.acquire(ms))) throw busy();
    try {
      return await work();
    } finally {
      this.#turns.release();
    }
  }
}
