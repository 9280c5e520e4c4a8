/** Questions to the person at the terminal. */
import readline from "node:readline/promises";
import { EXIT, InterruptedError, OpsError } from "./errors.ts";

/** Said before the work that leads to the question, rather than after it. @throws OpsError without a terminal */
export function mustBeAskable(): void {
  if (process.stdin.isTTY) return;
  throw new OpsError(
    "This asks before it goes on, and standard input is no terminal.",
    "Pass --yes if you are sure.",
    EXIT.usage,
  );
}

async function answer(question: string): Promise<string> {
  mustBeAskable();
  // The question goes to standard error: standard output is for results.
  const ask = readline.createInterface({ input: process.stdin, output: process.stderr });
  try {
    return await new Promise<string>((resolve, reject) => {
      const stop = (): void =>
        reject(new InterruptedError("Stopped at the question.", "Nothing was changed."));
      ask.on("SIGINT", stop);
      ask.on("close", stop);
      ask.question(question).then(resolve, reject);
    });
  } finally {
    ask.close();
  }
}

/** A yes-or-no question; anything but yes is a no. */
export async function confirm(question: string): Promise<boolean> {
  const text = await answer(`${question} [y/N] `);
  return /^(y|yes)$/i.test(text.trim());
}

/** For what cannot be undone: the exact word has to be typed. */
export async function confirmByTyping(question: string, word: string): Promise<boolean> {
  const text = await answer(`${question}\nType ${word} to go on: `);
  return text.trim() === word;
}
