/**
 * Ctrl-C and SIGTERM. The first asks for an orderly end, the second forces it. One press can arrive twice (the
 * terminal sends it to the whole group, npm sends it on once more), so what follows within a second is the same one.
 */
import { InterruptedError } from "./errors.ts";

const SAME_PRESS = 1000;

export interface Work {
  /** What is going on, for the message: "deploying stack dev". */
  readonly title: string;
  /** Asks it to come to an orderly end. Without it the work is simply left: it has changed nothing. */
  readonly cancel?: () => void;
  /** Ends it at once. */
  readonly force?: () => void;
}

export interface Hooks {
  readonly say: (line: string) => void;
  readonly exit: (error: InterruptedError) => void;
  readonly now?: () => number;
}

/** Follows what the process is doing and what a signal has to do about it. */
export class SignalHandler {
  readonly #hooks: Hooks;
  readonly #undo: (() => void)[] = [];
  #work: Work = { title: "starting" };
  #first?: number;
  #last = 0;

  constructor(hooks: Hooks) {
    this.#hooks = hooks;
  }

  /** True once a person asked for an end. */
  get requested(): boolean {
    return this.#first !== undefined;
  }

  /** Names the work that begins. @throws InterruptedError when an end was asked for before */
  begin(work: Work): void {
    if (this.requested) throw this.error();
    this.#work = work;
  }

  /** Runs something when the process is left, newest first: giving back a lock, for example. */
  onLeave(undo: () => void): void {
    this.#undo.unshift(undo);
  }

  leave(): void {
    for (const undo of this.#undo.splice(0)) undo();
  }

  error(): InterruptedError {
    return new InterruptedError(
      `Interrupted while ${this.#work.title}.`,
      "Run the command again: it goes on from here.",
    );
  }

  /** One signal has arrived. */
  handle(signal: NodeJS.Signals): void {
    const now = (this.#hooks.now ?? Date.now)();
    const again = this.#first !== undefined;
    if (again && now - this.#last < SAME_PRESS) return;
    this.#last = now;
    this.#first ??= now;
    if (again) {
      this.#hooks.say(
        `${signal} again: ending at once. The next run finds what was left undone and goes on from there.`,
      );
      this.#work.force?.();
      this.#hooks.exit(this.error());
    } else if (this.#work.cancel === undefined) {
      this.#hooks.exit(this.error());
    } else {
      this.#hooks.say(
        `${signal}: cancelling (${this.#work.title}). What is under way is brought to an end first, which may take a minute; press Ctrl-C again to end at once.`,
      );
      this.#work.cancel();
    }
  }

  /** Listens to the process's signals. */
  listen(): void {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
      process.on(signal, () => this.handle(signal));
  }
}
