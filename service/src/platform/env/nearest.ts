/** Which known name a wrong one was probably meant to be. */

/** The known name that takes the fewest edits. @param known at least one */
export function nearestTo(name: string, known: readonly string[]): string {
  const [first = ""] = known
    .map((candidate) => ({ candidate, edits: editsBetween(name, candidate) }))
    .sort((a, b) => a.edits - b.edits)
    .map(({ candidate }) => candidate);
  return first;
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
