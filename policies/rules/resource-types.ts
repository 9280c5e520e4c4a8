/**
 * Rule resource-types. Every other rule looks at the types that it knows. What a stack may declare is therefore a list:
 * a type that is not on it (a plugin of the engine, a provider nobody has looked at) passes no rule.
 */
import { resourceRule, STACK } from "../rule.ts";

/** The packages whose providers a stack may have. */
const PACKAGES = ["cloudflare", "command", "docker", "github", "random"] as const;

/** The types that the other rules are written for. */
export const allowedTypes: ReadonlySet<string> = new Set([
  STACK,
  ...PACKAGES.map((name) => `pulumi:providers:${name}`),
  "cloudflare:index/dnsRecord:DnsRecord",
  "cloudflare:index/notificationPolicy:NotificationPolicy",
  "cloudflare:index/r2Bucket:R2Bucket",
  "cloudflare:index/ruleset:Ruleset",
  // It runs at Cloudflare and reaches the stack as every visitor does.
  "cloudflare:index/workersCronTrigger:WorkersCronTrigger",
  "cloudflare:index/workersScript:WorkersScript",
  "cloudflare:index/zeroTrustTunnelCloudflared:ZeroTrustTunnelCloudflared",
  "cloudflare:index/zeroTrustTunnelCloudflaredConfig:ZeroTrustTunnelCloudflaredConfig",
  "cloudflare:index/zoneSetting:ZoneSetting",
  "command:local:Command",
  "command:remote:Command",
  "docker:index/container:Container",
  "docker:index/network:Network",
  "docker:index/remoteImage:RemoteImage",
  "docker:index/secret:Secret",
  "docker:index/service:Service",
  "docker:index/serviceConfig:ServiceConfig",
  "docker:index/volume:Volume",
  "github:index/repositoryFile:RepositoryFile",
  "github:index/repositoryPages:RepositoryPages",
  "random:index/randomId:RandomId",
  "random:index/randomPassword:RandomPassword",
  "random:index/randomUuid:RandomUuid",
]);

/** A component groups resources and is none itself; each of its own is looked at. */
const isComponent = (type: string): boolean => /^omniai:[a-z]+:[A-Z]\w*$/.test(type);

export const resourceTypes = resourceRule("every", {
  name: "resource-types",
  title: "A stack declares only types that the policies know.",
  source: "decision 35",
  remedy:
    "Leave it out; or write the rules that it needs and add its type to policies/rules/resource-types.ts, whose owners look at it.",
  *check({ type }) {
    if (!allowedTypes.has(type) && !isComponent(type)) yield `no policy is written for the type ${type}.`;
  },
});
