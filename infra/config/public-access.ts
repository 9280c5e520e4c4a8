/** How the world reaches a stack. It is derived from the config once, so that edge, tunnel and page cannot disagree. */
import type { EdgeConfig } from "../components/edge/config.ts";
import type { PagesConfig } from "../components/pages/config.ts";
import { isIn, type TunnelConfig } from "../components/tunnel/config.ts";

type AccessConfig = Pick<
  EdgeConfig,
  "publishPorts" | "bindAddress" | "httpPort" | "httpsPort" | "corsOrigins" | "edgeHosts"
> &
  Pick<TunnelConfig, "tunnelEnabled" | "tunnelHostnames" | "cloudflareZone"> &
  Pick<PagesConfig, "pagesEnabled" | "pagesRepository" | "pagesDomain">;

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

/** Whether the edge publishes its ports on the host: by default exactly where no tunnel leads to it. */
export const publishesPorts = ({
  publishPorts,
  tunnelEnabled,
}: Pick<AccessConfig, "publishPorts" | "tunnelEnabled">): boolean =>
  publishPorts === "always" || (publishPorts === "auto" && !tunnelEnabled);

/** Pure: what follows from the config. */
export function planPublicAccess(config: AccessConfig): PublicAccess {
  const publishPorts = publishesPorts(config);
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
