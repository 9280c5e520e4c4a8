/** Which engines are new enough. */

/** API 1.41 came with engine 20.10: the oldest that has what the stack uses. */
export const MINIMUM = { engine: "20.10", api: "1.41" } as const;

/** Compares versions number by number; what follows the numbers ("+dfsg1", "-rc.1") does not count. */
export function compareVersions(left: string, right: string): number {
  const a = numbers(left);
  const b = numbers(right);
  for (let index = 0; index < Math.max(a.length, b.length); index++) {
    const difference = (a[index] ?? 0) - (b[index] ?? 0);
    if (difference !== 0) return Math.sign(difference);
  }
  return 0;
}

function numbers(version: string): number[] {
  const match = /^v?(\d+(?:\.\d+)*)/.exec(version.trim());
  return (match?.[1] ?? "").split(".").map(Number);
}

/**
 * True for an engine that serves API 1.41. The API decides where it is known: engines that only speak Docker's
 * language (Podman) number themselves otherwise.
 */
export function isNewEnough(engine: { readonly version: string; readonly api: string }): boolean {
  if (engine.api !== "") return compareVersions(engine.api, MINIMUM.api) >= 0;
  return compareVersions(engine.version, MINIMUM.engine) >= 0;
}
