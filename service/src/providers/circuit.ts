/** A circuit breaker. */
import { between } from "../platform/deadline.ts";

/** How many failures in a row open it. */
const TOLERANCE = 3;
const MAX_OPEN_MS = 300_000;

/**
 * After some failures in a row nobody tries for a while. Then one trial decides. When that fails too, the pause is twice as
 * long as before, with jitter.
 */
export class Circuit {
  readonly #openMs: number;
  readonly #now: () => number;
  #failures = 0;
  #openUntil = 0;

  constructor(openMs: number, now: () => number = () => performance.now()) {
    this.#openMs = openMs;
    this.#now = now;
  }

  get state(): "closed" | "open" | "half-open" {
    if (this.#failures < TOLERANCE) return "closed";
    return this.mayTry() ? "half-open" : "open";
  }

  mayTry(): boolean {
    return this.#now() >= this.#openUntil;
  }

  succeeded(): void {
    this.#failures = 0;
    this.#openUntil = 0;
  }

  failed(): void {
    this.#failures++;
    if (this.#failures < TOLERANCE) return;
    const ms = Math.min(MAX_OPEN_MS, this.#openMs * 2 ** Math.min(10, this.#failures - TOLERANCE));
    this.#openUntil = this.#now() + between(0.8, 1.2) * ms;
  }
}
