/**
 * Whether the token of a stack may do what the program will ask of Cloudflare. Each permission is tried with a request that
 * reads what it guards; nothing is changed. That a token may write as well is seen in its own policies, where it may read
 * those, and for a tunnel that is there by asking for its token, which only a writer gets; else it is said to be unproved.
 */
import { get, isRecord, member, unreachable, type ApiEndpoint, type Finding } from "./cloud-api.ts";
import { isOn, textOf, type Values } from "../../stack/settings.ts";

interface Probe {
  /** As the dashboard names the permission. */
  readonly permission: string;
  readonly path: string;
  /** The permission groups that allow it, as the API names them ("Accepted Permissions" of its reference). */
  readonly groups: readonly string[];
  /** The account or the zone that it is about. */
  readonly on: string;
}

/** What the program's resources need, by the pages of each resource in the API reference. */
export function cloudflareProbes(values: Values): Probe[] {
  const accountId = textOf(values, "cloudflareAccountId") ?? "";
  const zoneId = textOf(values, "cloudflareZoneId") ?? "";
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
    ...(isOn(values, "cloudflareBackups")
      ? [account("Workers R2 Storage", "r2/buckets?per_page=1", "Workers R2 Storage Write")]
      : []),
    zone("DNS", "dns_records?per_page=1"),
    ...(isOn(values, "cloudflareManageZone")
      ? [zone("Zone Settings", "settings/min_tls_version"), zone("Zone WAF", "rulesets")]
      : []),
  ];
}

const CLOUDFLARE_TOKENS = "https://dash.cloudflare.com/profile/api-tokens";

/** Undefined: nobody can say. */
type Writes = (probe: Probe, read: unknown) => Promise<boolean | undefined>;

export async function checkCloudflare(place: ApiEndpoint, values: Values): Promise<Finding[]> {
  const account = textOf(values, "cloudflareAccountId") ?? "";
  let tokens = "/user/tokens";
  let verified = await get(place, `${tokens}/verify`);
  if (verified.status !== 200) {
    // A token that belongs to the account and not to a person is verified there.
    tokens = `/accounts/${account}/tokens`;
    verified = await get(place, `${tokens}/verify`);
  }
  const status = member(verified.body, "result", "status");
  if (verified.status === undefined) {
    return [unreachable("Cloudflare token", place.url)];
  }
  if (status !== "active") {
    const remedy = `Make a new one at ${CLOUDFLARE_TOKENS}, then: pulumi config set --secret omniai:cloudflareApiToken`;
    const detail = `Cloudflare says it is ${typeof status === "string" ? status : "no token of its own"}`;
    return [{ name: "Cloudflare token", good: false, detail, remedy }];
  }
  const id = member(verified.body, "result", "id");
  const policies = typeof id === "string" ? await policiesOf(place, `${tokens}/${id}`) : undefined;
  const writes: Writes = policies
    ? (probe) => Promise.resolve(allows(policies, probe))
    : (probe, read) => tunnelWrites(place, account, probe, read);
  const probes = cloudflareProbes(values).map((probe) => tryOne(place, probe, writes));
  return [{ name: "Cloudflare token", good: true, detail: "active" }, ...(await Promise.all(probes))];
}

async function tryOne(place: ApiEndpoint, probe: Probe, writes: Writes): Promise<Finding> {
  const { status: code, body } = await get(place, probe.path);
  const name = `Cloudflare ${probe.permission}`;
  if (code === undefined) return unreachable(name, place.url);
  const give = `Give the token this permission at ${CLOUDFLARE_TOKENS}.`;
  if (code !== 200) {
    const remedy =
      code === 404
        ? "Check omniai:cloudflareAccountId and omniai:cloudflareZoneId: this token knows no such place."
        : give;
    return { name, good: false, detail: `missing (Cloudflare answered ${code})`, remedy };
  }
  const mayWrite = await writes(probe, body);
  if (mayWrite === undefined) {
    return {
      name,
      good: true,
      detail: "may read; that it may write was not proved, and only `up` will tell",
    };
  }
  if (mayWrite) return { name, good: true, detail: "may read and write" };
  return { name, good: false, detail: "may read, and not write", remedy: give };
}

interface Policy {
  readonly allow: boolean;
  readonly groups: readonly string[];
  /** The keys and values of its resources, as JSON: they nest. */
  readonly resources: string;
}

/** What the token may, by its own account; undefined where it may not read that. */
async function policiesOf(place: ApiEndpoint, path: string): Promise<Policy[] | undefined> {
  const { status, body } = await get(place, path);
  const policies = member(body, "result", "policies");
  if (status !== 200 || !Array.isArray(policies)) return undefined;
  return policies.filter(isRecord).map(({ effect, permission_groups: groups, resources }) => ({
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

/** A tunnel's token is handed out only to those who may write. Where there is no tunnel yet, nobody can say. */
async function tunnelWrites(
  place: ApiEndpoint,
  account: string,
  { path }: Probe,
  read: unknown,
): Promise<boolean | undefined> {
  if (!path.includes("/cfd_tunnel")) return undefined;
  const tunnels = member(read, "result");
  const id = Array.isArray(tunnels) ? member(tunnels[0], "id") : undefined;
  if (typeof id !== "string") return undefined;
  const { status } = await get(place, `/accounts/${account}/cfd_tunnel/${id}/token`);
  return status === 200 ? true : status === 403 ? false : undefined;
}
