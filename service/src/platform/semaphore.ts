/** Lets a number of callers through at once. Some more wait in their order, and the rest are rejected. */
export class Semaphore {
  readonly #max: number;
  readonly #maxWaiting: number;
  #acquired = 0;
  readonly #waiting: { readonly acquire: () => void }[] = [];

  /** @param maxWaiting bounds how many callers pile up during a standstill. */
  constructor(max: number, maxWaiting: number) {
    this.#max = max;
    this.#maxWaiting = maxWaiting;
  }

  /**
   * @returns true, after which the caller has to call `release`; false at once when too many wait, or after `ms` when no
   * place came free.
   */
  acquire(ms: number): boolean | Promise<boolean> {
    if (this.#acquired < this.#max) {
      this.#acquired++;
      return true;
    }
    if (this.#waiting.length >= this.#maxWaiting) return false;
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#waiting.splice(this.#waiting.indexOf(turn), 1);
        resolve(false);
      }, ms);
      const turn = {
        acquire: () => {
          clearTimeout(timer);
          resolve(true);
        },
      };
      this.#waiting.push(turn);
    });
  }

  release(): void {
    const next = this.#waiting.shift();
    // The place goes to the one that has waited longest.
    if (next) next.acquire();
    else this.#acquired--;
  }
}
