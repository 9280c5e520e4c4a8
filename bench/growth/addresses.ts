/** More addresses of this machine on the network that the edge is on: clients come from many addresses, and some limits count by address. */
import { execFileSync } from "node:child_process";
import { BlockList } from "node:net";
import { docker, type TestStack } from "../../test/support/stack.ts";

const numberOf = (address: string): number =>
  address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
const addressOf = (value: number): string =>
  [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join(".");

/**
 * Pure: the last addresses of an IPv4 subnet before its broadcast address; engines hand out the first ones.
 * @throws Error where it has not twice as many
 */
export function lastAddresses(subnet: string, count: number): string[] {
  const [network = "", bits = ""] = subnet.split("/");
  const size = 2 ** (32 - Number(bits));
  if (size < 2 * count + 4) throw new Error(`${subnet} has no room for ${count} more addresses`);
  const list = new BlockList();
  list.addSubnet(network, Number(bits));
  const first = numberOf(network) - (numberOf(network) % size);
  const found = Array.from({ length: count }, (_, index) => addressOf(first + size - 2 - index));
  if (!found.every((address) => list.check(address)))
    throw new Error(`${subnet} is no IPv4 subnet as ip(8) writes them`);
  return found;
}

export interface Addresses {
  readonly addresses: readonly string[];
  remove(): void;
}

/** @throws Error without root, or where the network is none of this machine's bridges */
export async function addAddresses(stack: TestStack, count: number): Promise<Addresses> {
  const { Id, IPAM, Options } = (await docker.getNetwork(`omniai-${stack.name}-public`).inspect()) as {
    Id: string;
    IPAM: { Config: { Subnet?: string }[] };
    Options?: Record<string, string>;
  };
  const subnet = IPAM.Config.map(({ Subnet = "" }) => Subnet).find((one) => one.includes("."));
  if (subnet === undefined) throw new Error(`the network public of ${stack.name} has no IPv4 subnet`);
  const bridge = Options?.["com.docker.network.bridge.name"] ?? `br-${Id.slice(0, 12)}`;
  const addresses = lastAddresses(subnet, count);
  const ip = (verb: string, address: string): void =>
    void execFileSync("ip", ["address", verb, `${address}/32`, "dev", bridge], {
      stdio: ["ignore", "ignore", "pipe"],
    });
  const added: string[] = [];
  const remove = (): void => {
    for (const address of added.splice(0)) ip("del", address);
  };
  try {
    for (const address of addresses) {
      ip("add", address);
      added.push(address);
    }
  } catch (error) {
    remove();
    throw new Error(`this machine gets no further addresses on ${bridge} (it takes root): ${String(error)}`, {
      cause: error,
    });
  }
  return { addresses, remove };
}
