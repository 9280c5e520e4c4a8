/** Runs two suites at a time, and keeps what they say apart: one writes at once, the other when the first is over. */

/** Text of several writers, in the order of their beginning. */
export class Turns {
  readonly #write: (text: string) => void;
  /** The first one writes; what the others say is kept. */
  readonly #open: { text: string; ended: boolean }[] = [];

  constructor(write: (text: string) => void) {
    this.#write = write;
  }

  begin(): { write: (text: string) => void; end: () => void } {
    const turn = { text: "", ended: false };
    this.#open.push(turn);
    return {
      write: (text) => {
        turn.text += text;
        this.#flush();
      },
      end: () => {
        turn.ended = true;
        this.#flush();
      },
    };
  }

  #flush(): void {
    for (let [first] = this.#open; first !== undefined; [first] = this.#open) {
      if (first.text !== "") this.#write(first.text);
      first.text = "";
      if (!first.ended) return;
      this.#open.shift();
    }
  }
}

/** Does the work for each item, two at a time, the next one as soon as one is over. Ends early when one throws. */
export async function twoAtATime<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const waiting = [...items];
  const lane = async (): Promise<void> => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) await work(item);
  };
  await Promise.all([lane(), lane()]);
}
