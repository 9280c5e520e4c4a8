/**
 * Whether the token of a stack may do what the program will ask of Cloudflare. Each permission is tried with a request that
 * reads what the permission guards; nothing is changed. Whether the token may write too is read from its own policies if it
 * may read those, and for an existing tunnel from the tunnel's token, which only a writer gets; otherwise it stays unproved.
 */
import { isMapping } from "../../stack/json.ts";
import type { KnownConfig } from "../../stack/settings.ts";
import { get, member, unreachable, type ApiEndpoint, type Finding } from "./cloud-api.ts";

interface Probe {
  /** As the dashboard names the permission. */
  readonly permission: string;
  readonly path: string;
  /** The permission groups that allow it, as the API names them ("Accepted Permissions" of its reference). */
  readonly groups: readonly string[];
  /** The account or the zone that it is about. */
  readonly on: string;
}

/** The permissions that the program's resources need, as the API reference lists them for each resource. */
function cloudflareProbes(config: KnownConfig): Probe[] {
  const { cloudflareAccountId: accountId = "", cloudflareZoneId: zoneId = "" } = config;
  const account = (permission: string, path: string, ...groups: string[]): Probe => ({
    permission: `Account, ${permission}: Edit`,
    path: `/accounts/${accountId}/${path}`,
    groups,
    on: accountId,
  });
  const zone = (permission: string, path: string): Probe => ({
    permission: `Zone, ${permission}: Edit`,
    path: `/zones/${zoneId}/${path}`,
    groups: [`${permission} Write`],
    on: zoneId,
  });
  return [
    account(
      "Cloudflare Tunnel",
      "cfd_tunnel?per_page=1&is_deleted=false",
      "Cloudflare Tunnel Write",
      "Cloudflare One Connectors Write",
      "Cloudflare One Connector: cloudflared Write",
    ),
    account("Notifications", "alerting/v3/policies", "Notifications Write"),
    ...(config.cloudflareBackups
      ? [account("Workers R2 Storage", "r2/buckets?per_page=1", "Workers R2 Storage Write")]
      : []),
    ...(config.cloudflareWatch
      ? [account("Workers Scripts", "workers/scripts", "Workers Scripts Write")]
      : []),
    zone("DNS", "dns_records?per_page=1"),
    ...(config.cloudflareManageZone
      ? [zone("Zone Settings", "settings/min_tls_version"), zone("Zone WAF", "rulesets")]
      : []),
  ];
}

const CLOUDFLARE_TOKENS = "https://dash.cloudflare.com/profile/api-tokens";

/** Whether a token may write; undefined when that cannot be found out. */
type Writes = (probe: Probe, read: unknown) => Promise<boolean | undefined>;

export async function checkCloudflare(api: ApiEndpoint, config: KnownConfig): Promise<Finding[]> {
  const { cloudflareAccountId: account = "" } = config;
  let tokens = "/user/tokens";
  let verified = await get(api, `${tokens}/verify`);
  if (verified.status !== 200) {
    // A token that belongs to the account and not to a person is verified at the account.
    tokens = `/accounts/${account}/tokens`;
    verified = await get(api, `${tokens}/verify`);
  }
  const status = member(verified.body, "result", "status");
  if (verified.status === undefined) {
    return [unreachable("Cloudflare token", api.url)];
  }
  if (status !== "active") {
    const remedy = `Make a new one at ${CLOUDFLARE_TOKENS}, then: pulumi config set --secret omniai:cloudflareApiToken`;
    const detail = `Cloudflare says it is ${typeof status === "string" ? status : "no token of its own"}`;
    return [{ name: "Cloudflare token", good: false, detail, remedy }];
  }
  const id = member(verified.body, "result", "id");
  const policies = typeof id === "string" ? await policiesOf(api, `${tokens}/${id}`) : undefined;
  const writes: Writes = policies
    ? (probe) => Promise.resolve(allows(policies, probe))
    : (probe, read) => tunnelWrites(api, account, probe, read);
  const probes = cloudflareProbes(config).map((probe) => tryOne(api, probe, writes));
  return [{ name: "Cloudflare token", good: true, detail: "active" }, ...(await Promise.all(probes))];
}

async function tryOne(api: ApiEndpoint, probe: Probe, writes: Writes): Promise<Finding> {
  const { status: code, body } = await get(api, probe.path);
  const name = `Cloudflare ${probe.permission}`;
  if (code === undefined) return unreachable(name, api.url);
  const give = `Give the token this permission at ${CLOUDFLARE_TOKENS}.`;
  if (code !== 200) {
    const remedy =
      code === 404
        ? "Check omniai:cloudflareAccountId and omniai:cloudflareZoneId: this token does not reach such an account or zone."
        : give;
    return { name, good: false, detail: `missing (Cloudflare answered ${code})`, remedy };
  }
  const mayWrite = await writes(probe, body);
  if (mayWrite === undefined) {
    return {
      name,
      good: true,
      detail: "may read; that it may write was not proved, and only `up` will show it",
    };
  }
  if (mayWrite) return { name, good: true, detail: "may read and write" };
  return { name, good: false, detail: "may read, but not write", remedy: give };
}

interface Policy {
  readonly allow: boolean;
  readonly groups: readonly string[];
  /** The keys and values of its resources, as JSON: they nest. */
  readonly resources: string;
}

/** What the token says that it may do; undefined when it may not read its own policies. */
async function policiesOf(api: ApiEndpoint, path: string): Promise<Policy[] | undefined> {
  const { status, body } = await get(api, path);
  const policies = member(body, "result", "policies");
  if (status !== 200 || !Array.isArray(policies)) return undefined;
  return policies.filter(isMapping).map(({ effect, permission_groups: groups, resources }) => ({
    allow: effect === "allow",
    groups: (Array.isArray(groups) ? groups : [])
      .map((group) => member(group, "name"))
      .filter((name) => typeof name === "string"),
    resources: JSON.stringify(resources ?? {}),
  }));
}

function allows(policies: readonly Policy[], { groups, on }: Probe): boolean {
  const about = policies.filter(
    (policy) =>
      policy.groups.some((group) => groups.includes(group)) &&
      // By its id, or all of them: com.cloudflare.api.account.zone.*
      (policy.resources.includes(on) || policy.resources.includes('.*"')),
  );
  return about.length > 0 && about.every(({ allow }) => allow);
}

/** Cloudflare hands a tunnel's token only to those who may write. Without a tunnel that cannot be found out. */
async function tunnelWrites(
  api: ApiEndpoint,
  account: string,
  { path }: Probe,
  read: unknown,
): Promise<boolean | undefined> {
  if (!path.includes("/cfd_tunnel")) return undefined;
  const tunnels = member(read, "result");
  const id = Array.isArray(tunnels) ? member(tunnels[0], "id") : undefined;
  if (typeof id !== "string") return undefined;
  const { status } = await get(api, `/accounts/${account}/cfd_tunnel/${id}/token`);
  return status === 200 ? true : status === 403 ? false : undefined;
}
