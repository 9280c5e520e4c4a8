/** How addresses are spelled. */

/**
 * Pure: an IPv6 address as the engine and URLs spell it (RFC 5952), without what can be left out: 2001:db8::7.
 * @param address a right one, without a zone. @throws TypeError for any other
 */
export const spellIpv6 = (address: string): string => new URL(`http://[${address}]`).hostname.slice(1, -1);
