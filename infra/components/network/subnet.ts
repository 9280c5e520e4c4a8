/**
 * Private subnets that the program chooses: of a tunnel, so that the edge can be told which addresses to trust, and of both
 * families where visitors come by IPv6, because engines before 27 choose none of IPv6.
 */
import { createHash } from "node:crypto";
import { spellIpv6 } from "./address.ts";

/** The private ranges of RFC 1918, as first address and prefix length. */
const PRIVATE: readonly [string, number][] = [
  ["10.0.0.0", 8],
  ["172.16.0.0", 12],
  ["192.168.0.0", 16],
];

const toNumber = (address: string): number =>
  address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);

/** True for a private subnet of 16 to 4,096 addresses, written by its first address: 10.87.1.0/28. */
export function isPrivateSubnet(text: string): boolean {
  const match = /^(\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3})\/(\d{1,2})$/.exec(text);
  if (!match?.[1] || match[1].split(".").some((part) => Number(part) > 255 || String(Number(part)) !== part))
    return false;
  const [address, length] = [toNumber(match[1]), Number(match[2])];
  if (length < 20 || length > 28 || address % 2 ** (32 - length) !== 0) return false;
  return PRIVATE.some(([first, prefix]) => {
    const size = 2 ** (32 - prefix);
    return Math.floor(address / size) === Math.floor(toNumber(first) / size);
  });
}

const parts = (subnet: string): { readonly first: number; readonly length: number } => {
  const [address = "", length] = subnet.split("/");
  return { first: toNumber(address), length: Number(length) };
};

/** How many addresses a subnet has, including its own, its gateway's and its broadcast address. */
export const sizeOf = (subnet: string): number => 2 ** (32 - parts(subnet).length);

/**
 * The gateway of a subnet: its first address, which the engine would choose as well. The program sets it, because the
 * engine reports its own choice only after its next start, and the network would then differ and be replaced.
 */
export function gatewayOf(subnet: string): string {
  const address = parts(subnet).first + 1;
  return [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join(".");
}

/**
 * How many addresses the network between the connectors and the edge takes: each connector beside its predecessor while
 * a deploy runs, the edge, the gateway, and the two that no container gets.
 */
export const tunnelAddresses = (replicas: number): number => 2 * replicas + 1 + 1 + 2;

/**
 * A /24 of 10.252.0.0/16 for a name: on an overlay, each node takes addresses for its edge and its connector, for the
 * successors of both while a deploy runs, and one for itself.
 */
export const overlaySubnetFor = (name: string): string =>
  `10.252.${createHash("sha256").update(name).digest().readUInt8(0)}.0/24`;

/**
 * A /27 of 10.254.0.0/16 for a name: the same name has the same one on every machine, and two stacks on one engine
 * have different ones, unless 2,048 places are too few for them; then config names another.
 */
export function subnetFor(name: string): string {
  const place = createHash("sha256").update(name).digest().readUInt16BE(0) % 2048;
  return `10.254.${place >> 3}.${(place & 7) * 32}/27`;
}

/** A subnet with its gateway, as the engine takes it. */
export interface Subnet {
  readonly subnet: string;
  readonly gateway: string;
}

/**
 * Pure: a /64 of the addresses that are nobody's (RFC 4193), by the 40 bits of its global id. It is spelled as the engine lists it:
 * with another spelling the provider finds another network than it asked for, and replaces it on every up.
 * @param id the lowest byte of the first group, and the two groups after it
 */
export function uniqueLocal([byte, second, third]: readonly [number, number, number]): Subnet {
  const prefix = [0xfd00 + byte, second, third].map((group) => group.toString(16)).join(":");
  return { subnet: `${spellIpv6(`${prefix}::`)}/64`, gateway: spellIpv6(`${prefix}::1`) };
}

/**
 * The subnets between the engine and the edge where visitors come by IPv6: a /28 of 10.253.0.0/16 and a /64 of fd00::/8, by
 * the stack's name as `subnetFor` does it. Both are set: with one of them alone the provider finds another network than it asked
 * for, and replaces it.
 * @param chosen the one of IPv4, where 4,096 places were too few; empty: by the name
 */
export function accessSubnets(stack: string, chosen = ""): readonly [Subnet, Subnet] {
  const digest = createHash("sha256").update(`access ${stack}`).digest();
  const place = digest.readUInt16BE(0) % 4096;
  const subnet = chosen || `10.253.${place >> 4}.${(place & 15) * 16}/28`;
  return [
    { subnet, gateway: gatewayOf(subnet) },
    uniqueLocal([digest.readUInt8(2), digest.readUInt16BE(3), digest.readUInt16BE(5)]),
  ];
}
