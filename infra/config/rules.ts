/** What contradicts what in a stack's config: the rooms' own rules, and those that are about several rooms. */
import { parse as parseDomain } from "tldts";
import { BACKEND_PROBLEMS } from "../components/backend/config.ts";
import { pushProblems } from "../components/backend/push-config.ts";
import { backupProblems } from "../components/backup/config.ts";
import { CACHE_PROBLEMS } from "../components/cache/config.ts";
import { DATABASE_PROBLEMS } from "../components/database/config.ts";
import { ACME_PROBLEMS } from "../components/certificates/config.ts";
import { EDGE_PROBLEMS } from "../components/edge/config.ts";
import { nameBelow } from "../components/edge/wildcard.ts";
import { hostProblems } from "../components/host/config.ts";
import { OFFSITE_PROBLEMS } from "../components/offsite/config.ts";
import { receiverProblems } from "../components/monitoring/receivers.ts";
import { PAGES_PROBLEMS } from "../components/pages/config.ts";
import { swarmProblems } from "../components/swarm/config.ts";
import { TUNNEL_PROBLEMS } from "../components/tunnel/config.ts";
import type { ConfigProblem } from "./keys.ts";
import { environmentOf } from "./policy-settings.ts";
import { planPublicAccess } from "./public-access.ts";
import type { StackConfig } from "./schema.ts";

type Rule = (config: StackConfig, environment: NodeJS.ProcessEnv) => ConfigProblem[];

const someWayIn: Rule = ({ publishPorts, tunnelEnabled }) =>
  publishPorts === "never" && !tunnelEnabled
    ? [
        {
          key: "publishPorts",
          value: publishPorts,
          allowed: "auto or always without omniai:tunnelEnabled, or nobody could reach the stack",
        },
      ]
    : [];

const sameSitePages: Rule = (config) => {
  const { authMode, pageSite } = config;
  const usesCookies = authMode === "session" || authMode === "both";
  // Behind a tunnel pages know the API by its public names alone; the certificate is for those on the host.
  const key = config.tunnelEnabled ? "tunnelHostnames" : "certificateHosts";
  const hosts = config[key];
  const foreign = planPublicAccess(config, environmentOf("", config.environment)).corsOrigins.filter(
    (page) => !isSameSite(page, hosts),
  );
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

export const CONTRADICTIONS: readonly Rule[] = [
  hostProblems,
  swarmProblems,
  ...EDGE_PROBLEMS,
  ...ACME_PROBLEMS,
  someWayIn,
  ...TUNNEL_PROBLEMS,
  ...PAGES_PROBLEMS,
  ...BACKEND_PROBLEMS,
  pushProblems,
  ...DATABASE_PROBLEMS,
  ...CACHE_PROBLEMS,
  ...OFFSITE_PROBLEMS,
  backupProblems,
  receiverProblems,
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
    parseDomain(nameBelow(host) ?? host, { allowPrivateDomains: true }).domain ?? host.toLowerCase();
  return protocol === "https:" && hosts.some((host) => siteOf(host) === siteOf(hostname));
}
