/** Versions: which of two is older, and where one is in a text. */

/** Compares two versions as semver does: -1 when a is older. A leading v and build metadata do not count. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [parse(a), parse(b)];
  for (const [index, number] of left.numbers.entries()) {
    const difference = number - (right.numbers[index] ?? 0);
    if (difference !== 0) return Math.sign(difference);
  }
  if (left.pre === right.pre) return 0;
  // A pre-release comes before its release.
  if (left.pre === "" || right.pre === "") return left.pre === "" ? 1 : -1;
  return Math.sign(left.pre.localeCompare(right.pre, "en", { numeric: true }));
}

/** The first thing in a text that looks like a version, without a leading v; undefined when there is none. */
export function findVersion(text: string): string | undefined {
  return /\d+\.\d+(?:\.\d+)?(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?/.exec(text)?.[0];
}

function parse(version: string): { numbers: [number, number, number]; pre: string } {
  const match = /^v?(\d+)\.(\d+)(?:\.(\d+))?(?:-([0-9A-Za-z.-]+))?(?:\+.*)?$/.exec(version.trim());
  if (!match) throw new RangeError(`"${version}" is not a version; one looks like 1.2.3`);
  return { numbers: [Number(match[1]), Number(match[2]), Number(match[3] ?? 0)], pre: match[4] ?? "" };
}
