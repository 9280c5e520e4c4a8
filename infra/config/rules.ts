/** What contradicts what in a stack's config, beyond the range of a single key. */
import { parse as parseDomain } from "tldts";
import { hostProblems } from "../components/host/config.ts";
import type { ConfigProblem, StackConfig } from "./schema.ts";
import { providerProblems } from "../components/backend/providers.ts";
import {
  cloudflareTokenProblems,
  githubTokenProblems,
  planPublicAccess,
  publicAccessProblems,
} from "./public-access.ts";

type Rule = (config: StackConfig, environment: NodeJS.ProcessEnv) => ConfigProblem[];

const distinctPorts: Rule = ({ httpPort, httpsPort }) =>
  httpPort === httpsPort
    ? [{ key: "httpsPort", value: httpsPort, allowed: `any port but omniai:httpPort (${httpPort})` }]
    : [];

const sessionEnds: Rule = ({ sessionIdleMinutes, sessionMaxHours }) =>
  sessionIdleMinutes > sessionMaxHours * 60
    ? [
        {
          key: "sessionIdleMinutes",
          value: sessionIdleMinutes,
          allowed: `at most omniai:sessionMaxHours (${sessionMaxHours}) in minutes`,
        },
      ]
    : [];

const sameSitePages: Rule = (config) => {
  const { authMode, pageSite } = config;
  const usesCookies = authMode === "session" || authMode === "both";
  // Behind a tunnel pages know the API by its public names alone; the certificate is for those on the host.
  const key = config.tunnelEnabled ? "tunnelHostnames" : "certificateHosts";
  const hosts = config[key];
  const foreign = planPublicAccess(config).corsOrigins.filter((page) => !isSameSite(page, hosts));
  if (!usesCookies || pageSite !== "same-site" || foreign.length === 0) return [];
  return [
    {
      key: "pageSite",
      value: pageSite,
      allowed:
        `cross-site, because browsers would not send a cookie with SameSite=Lax from ${foreign.join(", ")}; or only ` +
        `https origins in omniai:corsOrigins that share their registrable domain with one of omniai:${key}`,
    },
  ];
};

export const contradictions: readonly Rule[] = [
  distinctPorts,
  providerProblems,
  hostProblems,
  publicAccessProblems,
  cloudflareTokenProblems,
  githubTokenProblems,
  sessionEnds,
  sameSitePages,
];

/**
 * Whether browsers count a page as the same site as an API on one of `hosts`: the same scheme, https, and the same
 * registrable domain by the Public Suffix List (github.io is on it: its pages are a site each). Hosts without one,
 * such as localhost and addresses, have to be equal.
 */
export function isSameSite(page: string, hosts: readonly string[]): boolean {
  const { protocol, hostname } = new URL(page);
  const siteOf = (host: string): string =>
    parseDomain(host, { allowPrivateDomains: true }).domain ?? host.toLowerCase();
  return protocol === "https:" && hosts.some((host) => siteOf(host) === siteOf(hostname));
}
