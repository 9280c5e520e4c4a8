/** Asks the person at the terminal. */
import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";
import { exit, InterruptedError, OpsError } from "./errors.ts";

/** To be called before the work that leads to a question, so that nobody waits for nothing. @throws OpsError without a terminal */
export function requireTerminal(): void {
  if (process.stdin.isTTY) return;
  throw new OpsError(
    "This command asks before it goes on, and standard input is no terminal.",
    "Pass --yes if you are sure.",
    exit.usage,
  );
}

interface Asking {
  /** False to not show what is typed. */
  readonly echo: boolean;
}

async function answer(question: string, { echo }: Asking = { echo: true }): Promise<string> {
  requireTerminal();
  // Readline echoes to its output, so without an echo it writes to nowhere.
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  // The question goes to standard error: standard output is for results.
  const output = echo ? process.stderr : nowhere;
  const ask = createInterface({ input: process.stdin, output, terminal: true });
  try {
    return await new Promise<string>((resolve, reject) => {
      const stop = (): void =>
        reject(new InterruptedError("Stopped at the question.", "Nothing was changed."));
      ask.on("SIGINT", stop);
      ask.on("close", stop);
      // Asked only now that the terminal itself has stopped to echo; earlier, quick typing would be shown.
      if (!echo) process.stderr.write(question);
      ask.question(echo ? question : "").then(resolve, reject);
    });
  } finally {
    ask.close();
  }
}

/** Any answer, without the spaces around it. */
export const ask = async (question: string): Promise<string> => (await answer(question)).trim();

/** An answer that is not shown while it is typed. */
export async function askSecret(question: string): Promise<string> {
  const text = await answer(question, { echo: false });
  process.stderr.write("\n");
  return text.trim();
}

/** A yes-or-no question; anything but yes is a no. */
export async function confirm(question: string): Promise<boolean> {
  const text = await answer(`${question} [y/N] `);
  return /^(y|yes)$/i.test(text.trim());
}

/** A question about what cannot be undone: the exact word has to be typed. */
export async function confirmByTyping(question: string, word: string): Promise<boolean> {
  const text = await answer(`${question}\nType ${word} to go on: `);
  return text.trim() === word;
}
