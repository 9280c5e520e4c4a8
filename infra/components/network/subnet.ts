/** Private IPv4 subnets that the program chooses, so that the edge can be told which addresses to trust. */
import { createHash } from "node:crypto";

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
 * A /24 of 10.253.0.0/16 for a name: on an overlay, each node takes addresses for its edge and its connector, for the
 * successors of both while a deploy runs, and one for itself.
 */
export const overlaySubnetFor = (name: string): string =>
  `10.253.${createHash("sha256").update(name).digest().readUInt8(0)}.0/24`;

/**
 * A /27 of 10.254.0.0/16 for a name: the same name has the same one on every machine, and two stacks on one engine
 * have different ones, unless 2,048 places are too few for them; then config names another.
 */
export function subnetFor(name: string): string {
  const place = createHash("sha256").update(name).digest().readUInt16BE(0) % 2048;
  return `10.254.${place >> 3}.${(place & 7) * 32}/27`;
}
