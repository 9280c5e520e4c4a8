/**
 * Ctrl-C and SIGTERM: the first asks for an orderly end, the second forces it. One press can arrive twice, because the
 * terminal sends it to the whole process group and npm sends it on, so what follows within a second counts as the same.
 */
import { InterruptedError } from "./errors.ts";

const SAME_PRESS_MS = 1000;

export interface Work {
  /** What is going on, for messages: "deploying stack dev". */
  readonly title: string;
  /** Asks the work to come to an orderly end. Work without it has changed nothing and is simply left. */
  readonly cancel?: () => void;
  /** Ends the work at once. */
  readonly force?: () => void;
}

/** Work that a first Ctrl-C does not stop in the middle: it is finished, and what would follow is not begun. */
export const undivided = (title: string): Work => ({ title, cancel: () => undefined });

export interface SignalHooks {
  readonly say: (line: string) => void;
  readonly exit: (error: InterruptedError) => void;
  readonly now?: () => number;
}

/** Knows what the process is doing, and so what a signal has to do. */
export class SignalHandler {
  readonly #hooks: SignalHooks;
  readonly #undo: (() => void)[] = [];
  #work: Work = { title: "starting" };
  #first?: number;
  #last = -Infinity;
  #end?: () => void;

  constructor(hooks: SignalHooks) {
    this.#hooks = hooks;
  }

  /** True once an end was asked for. */
  get requested(): boolean {
    return this.#first !== undefined;
  }

  /** Says which work begins. @throws InterruptedError when an end was asked for before */
  begin(work: Work): void {
    if (this.requested) throw this.error();
    this.#work = work;
  }

  /**
   * The work has ended as it was asked to, and what follows is the way back, which may begin. The next press counts as the first again.
   * Whoever calls it ends the command afterwards.
   */
  acknowledge(): void {
    this.#first = undefined;
  }

  /** Adds something to do when the process ends, newest first: giving back a lock, for example. */
  onLeave(undo: () => void): void {
    this.#undo.unshift(undo);
  }

  /** Does what was added for the end of the process, once. */
  leave(): void {
    for (const undo of this.#undo.splice(0)) undo();
  }

  error(): InterruptedError {
    return new InterruptedError(
      `Interrupted while ${this.#work.title}.`,
      "Run the command again: it goes on from here.",
    );
  }

  /** The work is done, and only a reader of its output takes its time: the next signal ends the process as it would end by itself. */
  over(end: () => void): void {
    this.#end = end;
  }

  /** Does what a signal that has just arrived asks for. */
  handle(signal: NodeJS.Signals): void {
    const now = (this.#hooks.now ?? Date.now)();
    const again = this.#first !== undefined;
    if (now - this.#last < SAME_PRESS_MS) return;
    this.#last = now;
    if (this.#end !== undefined) return this.#end();
    this.#first ??= now;
    if (again) {
      this.#hooks.say(
        `${signal} again: ending at once. The next run finds what is unfinished and goes on from there.`,
      );
      this.#work.force?.();
      this.#hooks.exit(this.error());
    } else if (this.#work.cancel === undefined) {
      this.#hooks.exit(this.error());
    } else {
      this.#hooks.say(
        `${signal}: cancelling (${this.#work.title}). What has begun is finished first, which may take a minute; press Ctrl-C again to end at once.`,
      );
      this.#work.cancel();
    }
  }

  /** Listens to the process's signals, and to its end: work that is cancelled may end the process by itself. */
  listen(): void {
    process.on("exit", () => this.leave());
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
      process.on(signal, () => this.handle(signal));
  }
}
