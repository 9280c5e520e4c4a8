/** The address that a request is counted under. */
import type { IncomingMessage } from "node:http";
import { isIP, isIPv6 } from "node:net";

/**
 * Whose request this is, for limits. Without a proxy it is the peer of the socket; with trusted proxies in front it is the
 * address that the outermost of them saw. Each proxy appends one address to X-Forwarded-For (our edge replaces the header
 * by one), so the last `hops` addresses come from them. What a client wrote before those counts for nothing.
 */
export function clientAddress(request: IncomingMessage, hops: number): string {
  const peer = request.socket.remoteAddress ?? "";
  if (hops === 0) return normalAddress(peer);
  const given = request.headers["x-forwarded-for"];
  const chain = (Array.isArray(given) ? given.join(",") : (given ?? "")).split(",");
  const address = chain.at(-hops)?.trim() ?? "";
  return normalAddress(isIP(address) ? address : peer);
}

/**
 * The same text for all addresses that one client can choose among. IPv6 is grouped by /56, which is what providers give to
 * a home (RFC 6177; express-rate-limit groups the same way), and IPv4 within IPv6 counts as IPv4.
 */
export function normalAddress(address: string): string {
  if (!address.includes(":")) return address;
  const plain = address.split("%")[0] ?? "";
  if (!isIPv6(plain)) return plain;
  const groups = expand(plain);
  const isMapped = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff;
  const [a = 0, b = 0, c = 0, d = 0] = groups;
  if (isMapped) {
    const [high = 0, low = 0] = groups.slice(6);
    return [high >> 8, high & 255, low >> 8, low & 255].join(".");
  }
  return `${[a, b, c, d & 0xff00].map((group) => group.toString(16)).join(":")}::/56`;
}

/** The eight groups of a valid IPv6 address. */
function expand(address: string): number[] {
  const hex = address.replace(/(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/, (_all, ...bytes: string[]) => {
    const [a = 0, b = 0, c = 0, d = 0] = bytes.slice(0, 4).map(Number);
    return `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
  });
  const [left = "", right] = hex.split("::");
  const parse = (part: string): number[] =>
    part === "" ? [] : part.split(":").map((group) => parseInt(group, 16));
  const head = parse(left);
  const tail = parse(right ?? "");
  return [...head, ...Array.from({ length: 8 - head.length - tail.length }, () => 0), ...tail];
}
