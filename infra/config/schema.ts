/** What each key of Pulumi.yaml may be; the descriptions become the `allowed` of an error. */
import { z } from "zod";
import { spellCpus } from "./cpus.ts";
import { policySettings } from "./policy-settings.ts";
import { isBaseUrl } from "../components/backend/providers.ts";
import { isPrivateSubnet } from "../components/network/subnet.ts";

/** A key whose value cannot stand: which one, what it is, what is allowed. */
export interface ConfigProblem {
  readonly key: string;
  readonly value: unknown;
  readonly allowed: string;
}

const within = (min: number, max: number) =>
  z.number().int().min(min).max(max).describe(`a whole number from ${min} to ${max}`);
const port = within(1, 65535);
const cpus = z
  .string()
  .regex(/^(0|[1-9][0-9]{0,2})(\.[0-9]{1,3})?$/)
  .refine((cores) => spellCpus(cores) !== undefined)
  .describe(
    'cores as a decimal string with at most three decimals: any from "0.1" to "9.999", and others that the docker ' +
      'provider reads back as they are, such as "12" or "12.5" (not "0.05", "10" or "20": it reads back "0.1", "10.", ' +
      '"20.", and would replace the container on every up)',
  );
const image = z
  .string()
  .regex(/^[a-z0-9][a-z0-9._/-]*(:[0-9]+\/[a-z0-9._/-]+)?(:[\w][\w.-]{0,127})?(@sha256:[0-9a-f]{64})?$/)
  .refine((name) => /:[\w][\w.-]*(@|$)|@sha256:/.test(name) && !/:latest$/.test(name))
  .describe("an image name with a tag other than latest, a digest, or both");
const origin = z
  .string()
  .refine((text) => URL.canParse(text) && new URL(text).origin === text && /^https?:/.test(text))
  .describe("exact origins such as https://owner.github.io, without a path");
const certificateHost = z
  .string()
  .regex(/^[A-Za-z0-9]([A-Za-z0-9.:-]*[A-Za-z0-9])?$/)
  .describe("DNS names or IP addresses");

const provider = z.strictObject({
  name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/),
  baseUrl: z.string().refine(isBaseUrl, "an http or https URL without user, password, query and fragment"),
  apiKey: z.string().regex(/^\S+$/).optional(),
});
export type Provider = z.infer<typeof provider>;
const hostname = z
  .string()
  .max(253)
  .regex(/^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?$/);
const cloudflareId = z
  .string()
  .regex(/^([0-9a-f]{32})?$/)
  .describe("32 hexadecimal digits, in lower case");
const flag = z.boolean().describe("true or false");
const secret = z.string().regex(/^\S*$/).describe("a token without white space");

/** One entry per key of Pulumi.yaml. */
export const configSchema = z.object({
  ...policySettings,
  dockerHost: z
    .string()
    .regex(/^$|^(unix|tcp|ssh|npipe):\/\/.+/)
    .describe("empty, or an address as DOCKER_HOST has it, for example unix:///var/run/docker.sock"),
  hostPrepare: z.boolean().describe("true or false"),
  hostAddress: z
    .string()
    .regex(/^([A-Za-z0-9]([A-Za-z0-9.:-]*[A-Za-z0-9])?)?$/)
    .describe("a DNS name or IP address"),
  hostPort: port,
  hostUser: z
    .string()
    .regex(/^[a-z_][a-z0-9_-]{0,31}$/)
    .describe("a user's name on the host"),
  hostKey: z
    .string()
    .regex(/^((ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)) [A-Za-z0-9+/]+=*( .*)?)?$/)
    .describe("one line of the host's /etc/ssh/ssh_host_*_key.pub"),
  hostPrivateKey: z
    .string()
    .regex(/^(-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]+)?$/)
    .describe("a private key in PEM form; empty means the SSH agent"),
  hostOpenPorts: z.array(port).describe("a list of ports from 1 to 65535"),
  bindAddress: z.union([z.ipv4(), z.ipv6()]).describe("an IPv4 or IPv6 address of the host"),
  httpPort: port,
  httpsPort: port,
  publishPorts: z.enum(["auto", "always", "never"]).describe("one of auto, always, never"),
  certificateHosts: z.array(certificateHost).min(1).describe("at least one DNS name or IP address"),
  certificateSerial: within(1, 1_000_000),
  corsOrigins: z.array(origin).describe("a list of exact origins such as https://owner.github.io"),
  authMode: z.enum(["none", "session", "token", "both"]).describe("one of none, session, token, both"),
  pageSite: z.enum(["same-site", "cross-site"]).describe("same-site or cross-site"),
  sessionIdleMinutes: within(1, 43_200),
  sessionMaxHours: within(1, 2160),
  accessTokenMinutes: within(1, 60),
  refreshTokenDays: within(1, 365),
  requestsPerMinute: within(0, 10_000_000),
  failedLoginsPerUser: within(0, 1_000_000),
  failedLoginsPerAddress: within(0, 1_000_000),
  streamsPerUser: within(1, 1_000_000),
  auditDays: within(1, 3650),
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
  cloudflareApiToken: secret,
  cloudflareBackups: flag,
  cloudflareAlertEmails: z.array(z.email()).describe("a list of e-mail addresses"),
  pagesEnabled: flag,
  pagesRepository: z
    .string()
    .regex(/^$|^[A-Za-z0-9](-?[A-Za-z0-9]){0,38}\/[A-Za-z0-9._-]{1,100}$/)
    .describe("a repository as owner/name"),
  pagesSource: z.enum(["branch", "workflow"]).describe("branch or workflow"),
  pagesBranch: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._/-]{0,199}$/)
    .describe("a branch name"),
  pagesDomain: z.union([z.literal(""), hostname]).describe("empty, or a host name such as app.example.org"),
  pagesHttpsEnforced: flag,
  githubToken: secret,
  backendReplicas: within(1, 16),
  backendMemory: within(128, 65_536),
  backendCpus: cpus,
  backendStartSeconds: within(1, 3600),
  clientReportsPerMinute: within(1, 1_000_000),
  postgresMemory: within(192, 1_048_576),
  postgresCpus: cpus,
  redisMemory: within(64, 1_048_576),
  redisCpus: cpus,
  edgeMemory: within(32, 65_536),
  edgeCpus: cpus,
  providers: z
    .array(provider)
    .max(20)
    .describe(
      'a list of at most 20 {"name", "baseUrl": "https://…/v1", "apiKey"}, where the key may be absent',
    ),
  edgeHosts: z.array(certificateHost).describe("a list of DNS names or IP addresses, without ports"),
  edgeResourcePolicy: z.enum(["cross-origin", "same-site"]).describe("cross-origin or same-site"),
  edgeConnections: within(1, 100_000),
  edgeRequestRate: within(1, 100_000),
  edgeStreams: within(1, 100_000),
  edgeStreamRate: within(1, 10_000),
  edgeResponseSeconds: within(2, 300),
  eventRetention: within(100, 10_000_000),
  clientReportDays: within(1, 365),
  clientReportsMax: within(1, 10_000_000),
  switchSeconds: within(3, 60),
  drainSeconds: within(1, 600),
  logLevel: z
    .enum(["fatal", "error", "warn", "info", "debug", "trace"])
    .describe("one of fatal, error, warn, info, debug, trace"),
  postgresImage: image,
  redisImage: image,
  nginxImage: image,
  nodeImage: image,
  cloudflaredImage: image,
});

export type StackConfig = z.infer<typeof configSchema>;
