/** What Cloudflare does for a zone before a request reaches the tunnel. Sources: developers.cloudflare.com. */
import type { RulesetArgs } from "@pulumi/cloudflare";

/** Zone settings by id, as the API names them. */
export const zoneSettings: Readonly<Record<string, unknown>> = {
  min_tls_version: "1.2",
  // Cloudflare's way to other origins of the zone; the tunnel is encrypted by itself.
  ssl: "strict",
  always_use_https: "on",
  http3: "on",
  // Keys as the API has them: in camel case, as the package's example writes them, they are a change on every
  // preview (pulumi-cloudflare #1579). Only this host, and half a year: a promise that browsers do not forget.
  security_header: {
    strict_transport_security: {
      enabled: true,
      include_subdomains: false,
      max_age: 15_768_000,
      nosniff: true,
      preload: false,
    },
  },
};

/** What the edge serves outside of /api/. */
const HEALTH_PATHS = ["/healthz", "/readyz", "/startupz"];

type Rules = Pick<RulesetArgs, "name" | "description" | "kind" | "phase" | "rules">;

/**
 * One rate limit, in the terms that every plan has: the Free plan knows the path but not the host, and 10 seconds
 * (waf/rate-limiting-rules, "Availability"). cf.colo.id is mandatory among the characteristics.
 */
export const planRateLimit = (requestsPerPeriod: number): Rules => ({
  name: "omniai rate limit",
  description: "What one address may ask of the API",
  kind: "zone",
  phase: "http_ratelimit",
  rules: [
    {
      ref: "omniai_api_rate",
      description: "Too many requests to the API from one address",
      expression: 'starts_with(http.request.uri.path, "/api/")',
      action: "block",
      enabled: true,
      ratelimit: {
        characteristics: ["cf.colo.id", "ip.src"],
        period: 10,
        requestsPerPeriod,
        mitigationTimeout: 10,
      },
    },
  ],
});

/**
 * One firewall rule: what the edge would only answer with 404 does not come through the tunnel at all. An expression has
 * at most 4096 characters (ruleset-engine/rules-language/expressions), so a page is let through by its folders.
 * @param pagePaths the files of the page that the edge serves, without the slash before them.
 */
export const planFirewall = (hostnames: readonly string[], pagePaths: readonly string[]): Rules => ({
  name: "omniai firewall",
  description: "Only what the edge serves",
  kind: "zone",
  phase: "http_request_firewall_custom",
  rules: [
    {
      ref: "omniai_known_paths",
      description: "Paths that nothing is served on",
      expression:
        `(http.host in ${set(hostnames)} and not starts_with(http.request.uri.path, "/api/") ` +
        `and not http.request.uri.path in ${set([...HEALTH_PATHS, ...rootPaths(pagePaths)])}` +
        `${foldersOf(pagePaths)
          .map((folder) => ` and not starts_with(http.request.uri.path, "/${folder}/")`)
          .join("")})`,
      action: "block",
      enabled: true,
    },
  ],
});

const rootPaths = (paths: readonly string[]): string[] =>
  paths.length === 0 ? [] : ["/", ...paths.filter((path) => !path.includes("/")).map((path) => `/${path}`)];

const foldersOf = (paths: readonly string[]): string[] => [
  ...new Set(paths.flatMap((path) => (path.includes("/") ? [path.slice(0, path.indexOf("/"))] : []))),
];

/** A set in Cloudflare's rules language. */
const set = (values: readonly string[]): string =>
  `{${values.map((value) => JSON.stringify(value)).join(" ")}}`;
