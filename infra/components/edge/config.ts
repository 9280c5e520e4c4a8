/** The edge's config keys: what each may be, what they contradict, and what they become. */
import { isIPv6 } from "node:net";
import { z } from "zod";
import { cpus, image, port, within, type ConfigProblem, type Values } from "../../config/keys.ts";
import type { BackendConfig } from "../backend/config.ts";
import { spellIpv6 } from "../network/address.ts";
import { isPrivateSubnet } from "../network/subnet.ts";
import type { EdgeArgs } from "./edge.ts";
import { planEdgeMemory } from "./memory.ts";

/**
 * However it is written, one address is one text from here on: published ports are found by it. One of IPv4 in IPv6's clothes
 * is refused, because the engine takes it for the IPv4 address.
 */
const ipv6 = z
  .ipv6({ abort: true })
  .refine((address) => !spellIpv6(address).startsWith("::ffff:"), { abort: true })
  .overwrite(spellIpv6);

const origin = z
  .string()
  .refine((text) => URL.canParse(text) && new URL(text).origin === text && /^https?:/.test(text))
  .describe("exact origins such as https://owner.github.io, without a path");
const host = z
  .string()
  .regex(/^[A-Za-z0-9]([A-Za-z0-9.:-]*[A-Za-z0-9])?$/)
  .describe("DNS names or IP addresses");
const certifiedHost = z
  .string()
  .regex(/^(\*\.)?[A-Za-z0-9]([A-Za-z0-9.:-]*[A-Za-z0-9])?$/)
  .describe("DNS names, with *. in front for all names below one, or IP addresses");

export const edgeKeys = {
  bindAddress: z.union([z.ipv4(), ipv6]).describe("an IPv4 or IPv6 address of the host"),
  bindAddressIpv6: z
    .union([z.literal(""), ipv6])
    .describe("empty, or an IPv6 address of the host such as 2001:db8::7"),
  accessSubnet: z
    .string()
    .refine((text) => text === "" || isPrivateSubnet(text))
    .describe("empty, or a private IPv4 subnet from /20 to /28 such as 10.87.2.0/28"),
  httpPort: port,
  httpsPort: port,
  publishPorts: z.enum(["auto", "always", "never"]).describe("one of auto, always, never"),
  certificateHosts: z.array(certifiedHost).min(1).describe("at least one DNS name or IP address"),
  certificateSerial: within(1, 1_000_000),
  tls: z.enum(["generated", "acme"]).describe("generated or acme"),
  corsOrigins: z.array(origin).describe("a list of exact origins such as https://owner.github.io"),
  edgeMemory: within(32, 65_536),
  edgeCpus: cpus,
  edgeHosts: z.array(host).describe("a list of DNS names or IP addresses, without ports"),
  edgeResourcePolicy: z.enum(["cross-origin", "same-site"]).describe("cross-origin or same-site"),
  edgeConnections: within(1, 100_000),
  edgeRequestRate: within(1, 100_000),
  edgeStreams: within(1, 100_000),
  edgeStreamRate: within(1, 10_000),
  edgeResponseSeconds: within(2, 300),
  pageAt: z.enum(["auto", "edge", "pages", "none"]).describe("one of auto, edge, pages, none"),
  nginxImage: image,
};

export type EdgeConfig = Values<typeof edgeKeys>;

/** Pure: the addresses of the host that the edge listens on. */
export const bindAddresses = ({
  bindAddress,
  bindAddressIpv6,
}: Pick<EdgeConfig, "bindAddress" | "bindAddressIpv6">): readonly string[] =>
  bindAddressIpv6 === "" ? [bindAddress] : [bindAddress, bindAddressIpv6];

/** One port for two things. */
const portProblems = ({
  httpPort,
  httpsPort,
}: Pick<EdgeConfig, "httpPort" | "httpsPort">): ConfigProblem[] =>
  httpPort === httpsPort
    ? [{ key: "httpsPort", value: httpsPort, allowed: `any port but omniai:httpPort (${httpPort})` }]
    : [];

/** Two addresses of one family. */
const addressProblems = ({
  bindAddress,
  bindAddressIpv6,
}: Pick<EdgeConfig, "bindAddress" | "bindAddressIpv6">): ConfigProblem[] =>
  bindAddressIpv6 !== "" && isIPv6(bindAddress)
    ? [
        {
          key: "bindAddressIpv6",
          value: bindAddressIpv6,
          allowed: `empty beside omniai:bindAddress ${bindAddress}, which is one of IPv6 itself`,
        },
      ]
    : [];

export const EDGE_PROBLEMS = [portProblems, addressProblems] as const;

/** What the stack gives an edge beside its config. */
type FromTheStack =
  | "engine"
  | "networks"
  | "publishPorts"
  | "ipv6"
  | "upstreams"
  | "upstreamNetwork"
  | "upstreamPort"
  | "corsOrigins"
  | "page"
  | "hosts"
  | "realIp";

export const edgeArgs = (
  config: EdgeConfig & Pick<BackendConfig, "switchSeconds">,
): Omit<EdgeArgs, FromTheStack> => ({
  image: config.nginxImage,
  bindAddresses: bindAddresses(config),
  httpPort: config.httpPort,
  httpsPort: config.httpsPort,
  certificateHosts: config.certificateHosts,
  certificateSerial: config.certificateSerial,
  acme: config.tls === "acme",
  switchSeconds: config.switchSeconds,
  responseSeconds: config.edgeResponseSeconds,
  resourcePolicy: config.edgeResourcePolicy,
  limits: {
    connections: config.edgeConnections,
    requestRate: config.edgeRequestRate,
    streams: config.edgeStreams,
    streamRate: config.edgeStreamRate,
  },
  memory: planEdgeMemory(config.edgeMemory).limit,
  cpus: config.edgeCpus,
});
