/** How the world reaches a stack: worked out once from the config, so that edge, tunnel and page cannot disagree. */
import type { LoadedConfig } from "./config.ts";
import type { ConfigProblem, StackConfig } from "./schema.ts";
import { sizeOf, tunnelAddresses } from "../components/network/subnet.ts";

type AccessConfig = Omit<StackConfig, "cloudflareApiToken" | "githubToken">;

export interface PublicAccess {
  /** Whether the edge publishes its ports on the host. */
  readonly publishPorts: boolean;
  /** Where the edge answers, by how: through the tunnel, and on the host when it publishes ports. */
  readonly urls: { readonly public?: string; readonly http?: string; readonly https?: string };
  /** The URL that pages call, without a slash at its end. */
  readonly apiBaseUrl: string;
  /** The origin of the page; undefined when the program publishes none. */
  readonly pageOrigin?: string;
  /** The DNS record of the page, where its name is one of the tunnel's zone. */
  readonly pageRecord?: { readonly domain: string; readonly target: string };
  /** Origins that may call the API: those of the config, and the page's own. */
  readonly corsOrigins: readonly string[];
  /** The hosts that the edge serves: those of the config, and the tunnel's own; empty: any. */
  readonly hosts: readonly string[];
}

/** A bind address as it stands in a URL. */
const inUrl = (address: string): string => (address.includes(":") ? `[${address}]` : address);

/** Pure: what follows from the config. */
export function planPublicAccess(config: AccessConfig | LoadedConfig): PublicAccess {
  const publishPorts =
    config.publishPorts === "always" || (config.publishPorts === "auto" && !config.tunnelEnabled);
  const host = inUrl(config.bindAddress);
  const publicUrl = config.tunnelEnabled ? `https://${config.tunnelHostnames[0]}` : undefined;
  const https = `https://${host}:${config.httpsPort}`;
  const pageOrigin = config.pagesEnabled ? `https://${config.pagesDomain || githubHost(config)}` : undefined;
  const hasRecord =
    config.tunnelEnabled &&
    config.pagesEnabled &&
    config.pagesDomain !== "" &&
    isIn(config.cloudflareZone, config.pagesDomain);
  return {
    publishPorts,
    urls: {
      ...(publicUrl === undefined ? {} : { public: publicUrl }),
      ...(publishPorts ? { http: `http://${host}:${config.httpPort}`, https } : {}),
    },
    apiBaseUrl: publicUrl ?? https,
    pageOrigin,
    pageRecord: hasRecord ? { domain: config.pagesDomain, target: githubHost(config) } : undefined,
    corsOrigins: [...new Set([...config.corsOrigins, ...(pageOrigin ? [pageOrigin] : [])])],
    hosts:
      config.edgeHosts.length === 0 ? [] : [...new Set([...config.edgeHosts, ...config.tunnelHostnames])],
  };
}

/** Where GitHub serves the pages of an owner. In lower case, as browsers send an origin. */
const githubHost = ({ pagesRepository }: Pick<AccessConfig, "pagesRepository">): string =>
  `${(pagesRepository.split("/")[0] ?? "").toLowerCase()}.github.io`;

const isIn = (zone: string, host: string): boolean => host === zone || host.endsWith(`.${zone}`);

/** What contradicts what about the way in; every problem with its key and its remedy. */
export function publicAccessProblems(config: StackConfig): ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  const refuse = (key: keyof StackConfig, allowed: string): void => {
    problems.push({ key, value: config[key], allowed });
  };
  if (config.tunnelEnabled) {
    requireTunnelKeys(config, refuse);
  } else {
    if (config.publishPorts === "never") {
      refuse("publishPorts", "auto or always without omniai:tunnelEnabled, or nobody could reach the stack");
    }
    if (config.tunnelClosing) refuse("tunnelClosing", "true only together with omniai:tunnelEnabled");
  }
  if (config.pagesEnabled) requirePagesKeys(config, refuse);
  return problems;
}

/** Rules of their own: what reads a key that is a secret, and so not known everywhere, says nothing there. */
export const cloudflareTokenProblems = (
  config: StackConfig,
  environment: NodeJS.ProcessEnv,
): ConfigProblem[] =>
  config.tunnelEnabled && config.cloudflareApiToken === "" && !environment["CLOUDFLARE_API_TOKEN"]
    ? [
        {
          key: "cloudflareApiToken",
          value: "",
          allowed: "an API token with omniai:tunnelEnabled, here or in CLOUDFLARE_API_TOKEN",
        },
      ]
    : [];

export const githubTokenProblems = (config: StackConfig, environment: NodeJS.ProcessEnv): ConfigProblem[] =>
  config.pagesEnabled && config.githubToken === "" && !environment["GITHUB_TOKEN"]
    ? [
        {
          key: "githubToken",
          value: "",
          allowed: "a token with omniai:pagesEnabled, here or in GITHUB_TOKEN",
        },
      ]
    : [];

type Refuse = (key: keyof StackConfig, allowed: string) => void;

function requireTunnelKeys(config: StackConfig, refuse: Refuse): void {
  for (const key of ["cloudflareAccountId", "cloudflareZoneId"] as const) {
    if (config[key] === "") refuse(key, "32 hexadecimal digits with omniai:tunnelEnabled");
  }
  if (config.cloudflareZone === "") refuse("cloudflareZone", "the zone's name with omniai:tunnelEnabled");
  if (config.cloudflareAlertEmails.length === 0) {
    refuse(
      "cloudflareAlertEmails",
      "at least one address with omniai:tunnelEnabled, to be told when it is down",
    );
  }
  if (config.switchSeconds < 4) {
    refuse("switchSeconds", "4 to 60 with omniai:tunnelEnabled, whose connectors count in whole seconds");
  }
  const addresses = tunnelAddresses(config.tunnelReplicas);
  if (config.tunnelSubnet !== "" && sizeOf(config.tunnelSubnet) < addresses) {
    refuse(
      "tunnelSubnet",
      `empty, or a subnet of at least ${addresses} addresses (/${32 - Math.ceil(Math.log2(addresses))}), because ` +
        `omniai:tunnelReplicas (${config.tunnelReplicas}) stand beside their predecessors while a deploy runs`,
    );
  }
  const hosts = config.tunnelHostnames;
  const { cloudflareZone: zone } = config;
  if (hosts.length === 0) refuse("tunnelHostnames", "at least one host name with omniai:tunnelEnabled");
  else if (zone !== "" && hosts.some((host) => !isIn(zone, host))) {
    refuse("tunnelHostnames", `host names in omniai:cloudflareZone (${zone})`);
  } else if (new Set(hosts).size < hosts.length) refuse("tunnelHostnames", "every host name once");
  if (config.pagesEnabled && hosts.includes(config.pagesDomain)) {
    refuse("pagesDomain", "a host name that is not in omniai:tunnelHostnames: one name leads to one place");
  }
}

function requirePagesKeys(config: StackConfig, refuse: Refuse): void {
  if (config.pagesRepository === "") refuse("pagesRepository", "owner/name with omniai:pagesEnabled");
  if (!config.tunnelEnabled) {
    refuse(
      "pagesEnabled",
      "true only with omniai:tunnelEnabled: a page on HTTPS can only call an API with a certificate that browsers trust",
    );
  }
}
