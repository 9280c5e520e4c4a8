/** Lets so many through at once; some more wait in their order, the rest are turned away. */
export class Gate {
  readonly #max: number;
  readonly #maxWaiting: number;
  #inside = 0;
  readonly #waiting: { readonly enter: () => void }[] = [];

  /** @param maxWaiting bounds what a standstill piles up. */
  constructor(max: number, maxWaiting: number) {
    this.#max = max;
    this.#maxWaiting = maxWaiting;
  }

  /** @returns false, soon, when too many wait; false after `ms` when none left in time. After true, `leave` is due. */
  enter(ms: number): boolean | Promise<boolean> {
    if (this.#inside < this.#max) {
      this.#inside++;
      return true;
    }
    if (this.#waiting.length >= this.#maxWaiting) return false;
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#waiting.splice(this.#waiting.indexOf(turn), 1);
        resolve(false);
      }, ms);
      const turn = {
        enter: () => {
          clearTimeout(timer);
          resolve(true);
        },
      };
      this.#waiting.push(turn);
    });
  }

  leave(): void {
    const next = this.#waiting.shift();
    // The place goes over to the one who waited longest.
    if (next) next.enter();
    else this.#inside--;
  }
}
