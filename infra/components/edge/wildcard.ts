/** Hosts that stand for all names one label below another: *.example.org (RFC 9525, 6.3). */

/** Pure: example.org of *.example.org; undefined for any other host. */
export const nameBelow = (host: string): string | undefined =>
  host.startsWith("*.") ? host.slice(2) : undefined;

export const isWildcard = (host: string): boolean => nameBelow(host) !== undefined;

const escaped = (text: string): string => text.toLowerCase().replace(/[^a-z0-9-]/g, "\\$&");

/** Pure: the host as a regular expression of nginx. */
export function hostPattern(host: string): string {
  const below = nameBelow(host);
  return below === undefined ? escaped(host) : `[a-z0-9-]+\\.${escaped(below)}`;
}

/** Pure: whether a certificate for the one host is good for the other. */
export const covers = (certified: string, host: string): boolean =>
  certified === host || (isWildcard(certified) && host.slice(host.indexOf(".") + 1) === nameBelow(certified));
