/** Whether a replica takes requests: as its checks say, until it is told to stop. */
import type { Checks } from "./health/checks.ts";

export class Readiness {
  readonly #checks: Pick<Checks, "status">;
  #isDraining = false;
  #wasUp = false;

  constructor(checks: Pick<Checks, "status">) {
    this.#checks = checks;
  }

  get isReady(): boolean {
    const isUp = this.#checks.status !== "fail";
    this.#wasUp ||= isUp;
    return isUp && !this.#isDraining;
  }

  /** True once it was ready for the first time. */
  get hasStarted(): boolean {
    return this.isReady || this.#wasUp;
  }

  get isDraining(): boolean {
    return this.#isDraining;
  }

  /** Not ready from now on. */
  drain(): void {
    this.#isDraining = true;
  }

  /** Resolves when it is ready for the first time; never when `signal` aborts before. */
  becomesReady(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const look = setInterval(() => {
        if (!this.isReady) return;
        clearInterval(look);
        resolve();
      }, LOOK_MS);
      signal.addEventListener("abort", () => clearInterval(look));
    });
  }
}

/** How often it is checked whether this replica is ready for the first time, in ms. */
const LOOK_MS = 25;
