/** How the world reaches a stack. It is derived from the config once, so that edge, tunnel and page cannot disagree. */
import { isIPv6 } from "node:net";
import { bindAddresses, type EdgeConfig } from "../components/edge/config.ts";
import { covers, isWildcard } from "../components/edge/wildcard.ts";
import { spellIpv6 } from "../components/network/address.ts";
import type { PagesConfig } from "../components/pages/config.ts";
import type { Environment } from "./policy-settings.ts";
import { isIn, type TunnelConfig } from "../components/tunnel/config.ts";

type AccessConfig = Pick<
  EdgeConfig,
  | "publishPorts"
  | "bindAddress"
  | "bindAddressIpv6"
  | "httpPort"
  | "httpsPort"
  | "corsOrigins"
  | "edgeHosts"
  | "certificateHosts"
  | "tls"
  | "pageAt"
> &
  Pick<TunnelConfig, "tunnelEnabled" | "tunnelHostnames" | "cloudflareZone"> &
  Pick<PagesConfig, "pagesEnabled" | "pagesRepository" | "pagesDomain">;

export interface PublicAccess {
  /** Whether the edge publishes its ports on the host. */
  readonly publishPorts: boolean;
  /** Whether one of the addresses that it publishes them on is one of IPv6. */
  readonly ipv6: boolean;
  /**
   * Where the edge answers, by how: the page where the edge serves it, through the tunnel, and on the host when it publishes
   * ports.
   */
  readonly urls: {
    readonly page?: string;
    readonly public?: string;
    readonly http?: string;
    readonly https?: string;
  };
  /** Whether the edge serves the page at `/`. */
  readonly isPageAtEdge: boolean;
  /** The URL that pages call, without a slash at its end. */
  readonly apiBaseUrl: string;
  /** The origin of the page; undefined when the program publishes none. */
  readonly pageOrigin?: string;
  /** The DNS record of the page, where its name is one of the tunnel's zone. */
  readonly pageRecord?: { readonly domain: string; readonly target: string };
  /** Origins that may call the API: those of the config, and the page's own. */
  readonly corsOrigins: readonly string[];
  /** The hosts that the edge serves, as they stand in a Host header without the port. */
  readonly hosts: readonly string[];
}

/** An address or a name as it stands in a URL, and as clients spell it: one of IPv6 without what can be left out. */
const inUrl = (host: string): string => (isIPv6(host) ? `[${spellIpv6(host)}]` : host);

/** Whether the edge publishes its ports on the host: by default exactly where no tunnel leads to it. */
export const publishesPorts = ({
  publishPorts,
  tunnelEnabled,
}: Pick<AccessConfig, "publishPorts" | "tunnelEnabled">): boolean =>
  publishPorts === "always" || (publishPorts === "auto" && !tunnelEnabled);

/** Pure: whether the edge serves the page. By itself it does so in dev, where no other page is published. */
export const servesPage = (
  { pageAt, pagesEnabled }: Pick<AccessConfig, "pageAt" | "pagesEnabled">,
  environment: Environment,
): boolean => pageAt === "edge" || (pageAt === "auto" && !pagesEnabled && environment === "dev");

/** Pure: what follows from the config. */
export function planPublicAccess(config: AccessConfig, environment: Environment): PublicAccess {
  const publishPorts = publishesPorts(config);
  const host = hostOfUrls(config);
  const publicUrl = config.tunnelEnabled ? `https://${config.tunnelHostnames[0]}` : undefined;
  const isTrusted = config.tls === "acme";
  // As clients write it, and as an authority certifies it.
  const https =
    isTrusted && config.httpsPort === 443 ? `https://${host}` : `https://${host}:${config.httpsPort}`;
  const http = `http://${host}:${config.httpPort}`;
  const isPageAtEdge = servesPage(config, environment);
  const pageOrigin = config.pagesEnabled ? `https://${config.pagesDomain || githubHost(config)}` : undefined;
  const hasRecord =
    config.tunnelEnabled &&
    config.pagesEnabled &&
    config.pagesDomain !== "" &&
    isIn(config.cloudflareZone, config.pagesDomain);
  return {
    publishPorts,
    ipv6: publishPorts && bindAddresses(config).some(isIPv6),
    urls: {
      // On the host by http, unless an authority is asked: the generated certificate is one that no browser trusts.
      ...(isPageAtEdge ? { page: `${publicUrl ?? (isTrusted ? https : http)}/` } : {}),
      ...(publicUrl === undefined ? {} : { public: publicUrl }),
      ...(publishPorts ? { http, https } : {}),
    },
    isPageAtEdge,
    apiBaseUrl: publicUrl ?? https,
    pageOrigin,
    pageRecord: hasRecord ? { domain: config.pagesDomain, target: githubHost(config) } : undefined,
    corsOrigins: [...new Set([...config.corsOrigins, ...(pageOrigin ? [pageOrigin] : [])])],
    hosts: servedHosts(config),
  };
}

/** Every address of the host: what clients call it is not known from these. */
const UNSPECIFIED: readonly string[] = ["0.0.0.0", "::"];

/**
 * The hosts of the config, or else what the stack is called anyway: by its certificate and its address. Never any host: a
 * page of any other name could have that name resolve to this machine, and would be taken for one of the API's own site
 * (DNS rebinding).
 */
const servedHosts = (config: AccessConfig): string[] => [
  ...new Set([...localHosts(config), ...config.tunnelHostnames.map(inUrl)]),
];

/** Those of them that may lead to the ports on the host; never none, because a certificate has a name. */
function localHosts(
  config: Pick<AccessConfig, "edgeHosts" | "certificateHosts" | "bindAddress" | "bindAddressIpv6">,
): string[] {
  const addresses = bindAddresses(config).filter((address) => !UNSPECIFIED.includes(address));
  const own = [...config.certificateHosts, ...addresses];
  return (config.edgeHosts.length > 0 ? config.edgeHosts : own).map(inUrl);
}

/**
 * The bind address, or, where the edge would answer that with 421, the first host that it serves. An authority's certificate
 * is for names alone. Nobody can go to a host with a *.
 */
function hostOfUrls(config: AccessConfig): string {
  const served = localHosts(config).filter((name) => !isWildcard(name));
  const certified =
    config.tls === "acme"
      ? (config.certificateHosts.find((name) => served.includes(name)) ??
        served.find((name) => config.certificateHosts.some((host) => covers(host, name))))
      : undefined;
  if (certified !== undefined) return certified;
  const address = inUrl(config.bindAddress);
  return served.includes(address) ? address : (served[0] ?? address);
}

/** Where GitHub serves the pages of an owner. In lower case, as browsers send an origin. */
const githubHost = ({ pagesRepository }: Pick<AccessConfig, "pagesRepository">): string =>
  `${(pagesRepository.split("/")[0] ?? "").toLowerCase()}.github.io`;
