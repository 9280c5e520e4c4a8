/** The tunnel's config keys: what each may be, what they contradict, and what they become. */
import { z } from "zod";
import {
  cpus,
  flag,
  hostname,
  image,
  token,
  within,
  type ConfigProblem,
  type Values,
} from "../../config/keys.ts";
import type { PolicySettings } from "../../config/policy-settings.ts";
import { secret, type Loaded } from "../../config/secrets.ts";
import type { BackendConfig } from "../backend/config.ts";
import { isPrivateSubnet, sizeOf, tunnelAddresses } from "../network/subnet.ts";
import type { TunnelArgs } from "./tunnel.ts";

const cloudflareId = z
  .string()
  .regex(/^([0-9a-f]{32})?$/)
  .describe("32 hexadecimal digits, in lower case");

export const tunnelKeys = {
  tunnelEnabled: flag,
  tunnelHostnames: z.array(hostname).describe("a list of host names in lower case such as api.example.org"),
  tunnelReplicas: within(1, 8),
  tunnelSubnet: z
    .string()
    .refine((text) => text === "" || isPrivateSubnet(text))
    .describe("empty, or a private IPv4 subnet from /20 to /28 such as 10.87.1.0/27"),
  tunnelClosing: flag,
  tunnelRateLimit: within(10, 1_000_000),
  tunnelMemory: within(64, 65_536),
  tunnelCpus: cpus,
  cloudflareAccountId: cloudflareId,
  cloudflareZoneId: cloudflareId,
  cloudflareZone: z.union([z.literal(""), hostname]).describe("a zone's name such as example.org"),
  cloudflareApiToken: secret(token),
  cloudflareBackups: flag,
  cloudflareWatch: flag,
  cloudflareWatchSecretUrl: secret(z.string().regex(/^(https:\/\/\S+)?$/)).describe("empty, or an https URL"),
  cloudflareWatchSecretToken: secret(token),
  cloudflareAlertEmails: z.array(z.email()).describe("a list of e-mail addresses"),
  cloudflaredImage: image,
};

export type TunnelConfig = Values<typeof tunnelKeys>;

/** Whether a host name is the zone's own or one within it. */
export const isIn = (zone: string, host: string): boolean => host === zone || host.endsWith(`.${zone}`);

/** What a tunnel needs, and what makes no sense without one. */
function tunnelRules(
  config: Omit<
    TunnelConfig,
    "cloudflareApiToken" | "cloudflareWatchSecretUrl" | "cloudflareWatchSecretToken"
  > &
    Pick<BackendConfig, "switchSeconds">,
): ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  const refuse = (key: keyof typeof config, allowed: string): void => {
    problems.push({ key, value: config[key], allowed });
  };
  if (!config.tunnelEnabled) {
    if (config.tunnelClosing) refuse("tunnelClosing", "true only together with omniai:tunnelEnabled");
    if (config.cloudflareWatch) refuse("cloudflareWatch", "true only together with omniai:tunnelEnabled");
    return problems;
  }
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
  const { tunnelHostnames: hosts, cloudflareZone: zone } = config;
  if (hosts.length === 0) refuse("tunnelHostnames", "at least one host name with omniai:tunnelEnabled");
  else if (zone !== "" && hosts.some((host) => !isIn(zone, host))) {
    refuse("tunnelHostnames", `host names in omniai:cloudflareZone (${zone})`);
  } else if (new Set(hosts).size < hosts.length) refuse("tunnelHostnames", "every host name once");
  return problems;
}

/** A rule of its own: where the token is encrypted and not known, a rule that reads it says nothing. */
const tokenRule = (
  config: Pick<TunnelConfig, "tunnelEnabled" | "cloudflareApiToken">,
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

const watchRule = (
  config: Pick<TunnelConfig, "cloudflareWatch" | "cloudflareWatchSecretUrl">,
): ConfigProblem[] =>
  config.cloudflareWatch && config.cloudflareWatchSecretUrl === ""
    ? [
        {
          key: "cloudflareWatchSecretUrl",
          value: "",
          allowed: "the address that is told, with omniai:cloudflareWatch",
        },
      ]
    : [];

export const TUNNEL_PROBLEMS = [tunnelRules, tokenRule, watchRule] as const;

/** What the stack gives a tunnel beside its config. */
type FromTheStack =
  | "engine"
  | "filesImage"
  | "networks"
  | "metricsNetwork"
  | "service"
  | "edge"
  | "edgeKeepaliveSeconds"
  | "page"
  | "pagePaths";

export const tunnelArgs = (
  config: Loaded<TunnelConfig> & Pick<PolicySettings, "cloudflareManageZone">,
): Omit<TunnelArgs, FromTheStack> => ({
  image: config.cloudflaredImage,
  accountId: config.cloudflareAccountId,
  zoneId: config.cloudflareZoneId,
  apiToken: config.cloudflareApiToken,
  hostnames: config.tunnelHostnames,
  closing: config.tunnelClosing,
  replicas: config.tunnelReplicas,
  memory: config.tunnelMemory,
  cpus: config.tunnelCpus,
  manageZone: config.cloudflareManageZone,
  rateLimit: config.tunnelRateLimit,
  alertEmails: config.cloudflareAlertEmails,
  backups: config.cloudflareBackups,
  watch:
    config.cloudflareWatch && config.cloudflareWatchSecretUrl
      ? { url: config.cloudflareWatchSecretUrl, token: config.cloudflareWatchSecretToken }
      : undefined,
});
