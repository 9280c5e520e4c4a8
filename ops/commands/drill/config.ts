/** The config of a drill's stack: the one of the copy, without anything that others could see or that it could harm. */
import { parse, stringify } from "yaml";
import { isMapping } from "../../stack/json.ts";

export interface DrillPorts {
  readonly httpPort: number;
  readonly httpsPort: number;
}

/** What must not be the original's: names, ports, the engine, and every way in or out. */
const overrides = {
  environment: "dev",
  dockerHost: "",
  // On this machine alone, whatever nodes the original has.
  platform: "docker",
  registry: "",
  hostPrepare: false,
  bindAddress: "127.0.0.1",
  bindAddressIpv6: "",
  publishPorts: "always",
  certificateHosts: ["localhost", "127.0.0.1"],
  edgeHosts: [],
  // It is not reached by the names that an authority would certify.
  tls: "generated",
  tunnelEnabled: false,
  tunnelClosing: false,
  cloudflareManageZone: false,
  cloudflareWatch: false,
  pagesEnabled: false,
  // Where neither Pages nor a public name is, a page there or on the same site would be a contradiction.
  pageAt: "auto",
  pageSite: "cross-site",
  policyExceptions: [],
  backups: "always",
  // Never the servers of the original, where it would write among its data.
  database: "container",
  redis: "container",
  // It never writes where the copies are.
  offsiteBucket: "",
  // Nobody is told of it, and it is no sign of life of the original.
  monitoring: "never",
  alertReceivers: [],
  webPush: false,
  // Its requests are not the original's.
  otlpEndpoint: "",
} as const;

/** What it must not have at all. */
const LEFT_OUT = [
  ...["watchdogSecretUrl", "acmeCloudflareToken"],
  ...["cloudflareWatchSecretUrl", "cloudflareWatchSecretToken"],
  ...["databaseSecretUrl", "databaseAuthority", "redisSecretUrl", "redisAuthority"],
];

/**
 * Pure: the stack file of the drill. Secrets stay encrypted as they are, by the same salt.
 * @param stackFile of the copy, in YAML. @param project the namespace of its keys.
 */
export function drillFile(stackFile: string, project: string, ports: DrillPorts): string {
  const parsed: unknown = parse(stackFile) ?? {};
  const file = isMapping(parsed) ? parsed : {};
  const section = isMapping(file["config"]) ? file["config"] : {};
  const own = Object.fromEntries(
    Object.entries({ ...overrides, ...ports }).map(([key, value]) => [`${project}:${key}`, value]),
  );
  const config = Object.entries({ ...section, ...own }).filter(
    ([key]) => !LEFT_OUT.some((name) => key === `${project}:${name}`),
  );
  return stringify({ ...file, config: Object.fromEntries(config) });
}
