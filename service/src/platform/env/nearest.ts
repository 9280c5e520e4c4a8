/** Which known name a wrong one was probably meant to be. */

/** A name in which more than a third of the letters differ was hardly meant. */
const MAX_EDITS_PER_LETTER = 1 / 3;
/** Two letters that changed places are two edits, in short names too. */
const ALWAYS_ALLOWED = 2;

/**
 * The known name that takes the fewest edits. Undefined when none is like it.
 * @param prefix what all names begin with, so that it says nothing about which is meant.
 */
export function nearestTo(name: string, known: readonly string[], prefix: string): string | undefined {
  const letters = name.length - prefix.length;
  return known
    .map((candidate) => ({ candidate, edits: editsBetween(name, candidate) }))
    .filter(({ edits }) => edits <= Math.max(ALWAYS_ALLOWED, letters * MAX_EDITS_PER_LETTER))
    .sort((a, b) => a.edits - b.edits)
    .at(0)?.candidate;
}

/** How many characters have to be inserted, removed or replaced to turn one text into the other (Levenshtein). */
function editsBetween(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (const [i, left] of [...from].entries()) {
    const next = [i + 1];
    for (const [j, right] of [...to].entries()) {
      const replaced = (row[j] ?? 0) + Number(left !== right);
      next.push(Math.min(replaced, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}
