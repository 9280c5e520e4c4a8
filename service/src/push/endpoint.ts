/**
 * Where the service may send to. A browser names the address of its push service, so a client could name any address: that of
 * a neighbour in the stack's networks as well as one of the owner's home (SSRF). So it is https on its own port, by a name,
 * and the name has to lead to public addresses only, looked at where the connection is made.
 */
import { lookup, type LookupAddress } from "node:dns";
import { Agent } from "node:https";
import { BlockList, isIP, type LookupFunction } from "node:net";

/** Longer than those of any browser's push service. */
const LONGEST = 1024;

/** Whether an address may be that of a push service, before any name is looked up. */
export function isPushEndpoint(text: string): boolean {
  if (text.length > LONGEST || !URL.canParse(text)) return false;
  const { protocol, port, hostname, username, password, hash } = new URL(text);
  // "redis." is the same neighbour as "redis".
  const isNamed =
    hostname.includes(".") && !hostname.endsWith(".") && isIP(hostname) === 0 && !hostname.startsWith("[");
  return protocol === "https:" && port === "" && isNamed && username + password + hash === "";
}

/** What is not of the public internet (IANA's registries of special-purpose addresses), and multicast. */
const special = new BlockList();
for (const [network, prefix] of [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["192.88.99.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 3],
] as const)
  special.addSubnet(network, prefix, "ipv4");
/** Of IPv6 only 2000::/3 is given out; within it, these lead to IPv4 addresses or to nobody. */
const given = new BlockList();
given.addSubnet("2000::", 3, "ipv6");
for (const [network, prefix] of [
  ["2001::", 23],
  ["2001:db8::", 32],
  ["2002::", 16],
  ["3fff::", 20],
] as const)
  special.addSubnet(network, prefix, "ipv6");

/** True for an address that anybody on the internet may be reached by. */
export function isPublicAddress(address: string): boolean {
  const family = isIP(address);
  if (family === 4) return !special.check(address, "ipv4");
  return family === 6 && given.check(address, "ipv6") && !special.check(address, "ipv6");
}

/** The name leads into a network that no push service is in. */
export class PrivateAddressError extends Error {
  constructor(hostname: string) {
    super(`${hostname} leads to an address that is not public`);
    this.name = "PrivateAddressError";
  }
}

type Resolve = (hostname: string, done: (error: Error | null, addresses: LookupAddress[]) => void) => void;

/**
 * Looks a name up and refuses it unless all of its addresses are public. The connection is made to what this returns, so a
 * name that leads elsewhere a moment later (DNS rebinding) gains nothing.
 */
export const publicLookup =
  (resolve: Resolve = (hostname, done) => lookup(hostname, { all: true }, done)): LookupFunction =>
  (hostname, { all }, callback) =>
    resolve(hostname, (error, addresses) => {
      const [first] = addresses ?? [];
      const refused =
        error ??
        (first && addresses.every(({ address }) => isPublicAddress(address))
          ? null
          : new PrivateAddressError(hostname));
      if (refused || !first) return callback(refused, all ? [] : "", 0);
      if (all) return callback(null, addresses);
      callback(null, first.address, first.family);
    });

/** How push services are reached; a test has one of its own. */
export interface PushReach {
  readonly isAllowed: (endpoint: string) => boolean;
  readonly agent: Agent;
}

/** Connections are not kept: hours lie between two alerts. */
export const publicReach = (): PushReach => ({
  isAllowed: isPushEndpoint,
  agent: new Agent({ keepAlive: false, maxSockets: 32, lookup: publicLookup() }),
});
