/** An answer for all who ask at about the same time. */

/** Gives everybody who asks within `ms` the same answer, and never asks twice at the same time. */
export function remembered<T>(ask: () => Promise<T>, ms: number): () => Promise<T> {
  let last: { readonly answer: Promise<T>; until: number } | undefined;
  return () => {
    if (last && performance.now() < last.until) return last.answer;
    const entry = { answer: ask(), until: Infinity };
    const settle = (): void => void (entry.until = performance.now() + ms);
    entry.answer.then(settle, settle);
    last = entry;
    return entry.answer;
  };
}
