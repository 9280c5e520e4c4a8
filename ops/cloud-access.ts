/**
 * Whether the tokens of a stack may do what the program will ask of Cloudflare and GitHub. Each permission is tried with a
 * request that reads what it guards; nothing is changed. A token that may read need not be able to write: that is not
 * seen from outside, and the findings say so.
 */
import { isOn, textOf, type Values } from "./settings.ts";

/** One thing that a token needs to be allowed to. */
export interface Finding {
  readonly name: string;
  readonly good: boolean;
  readonly detail: string;
  readonly remedy?: string;
}

export interface ApiPlace {
  readonly url: string;
  readonly token: string;
}

interface Answer {
  /** Undefined: there was none. */
  readonly status?: number;
  readonly body: unknown;
}

async function get({ url, token }: ApiPlace, path: string): Promise<Answer> {
  try {
    const response = await fetch(url + path, {
      headers: {
        authorization: `Bearer ${token}`,
        "user-agent": "omniai-doctor",
        accept: "application/json",
      },
      signal: AbortSignal.timeout(10_000),
    });
    return { status: response.status, body: await response.json().catch(() => undefined) };
  } catch {
    return { body: undefined };
  }
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null;

/** A member of nested objects; undefined where there is none. */
const member = (value: unknown, ...names: string[]): unknown =>
  names.reduce<unknown>((at, name) => (isRecord(at) ? at[name] : undefined), value);

interface Probe {
  /** As the dashboard names the permission. */
  readonly permission: string;
  readonly path: string;
}

/** What the program's resources need, by the pages of each resource in the API reference ("Accepted Permissions"). */
export function cloudflareProbes(values: Values): Probe[] {
  const account = `/accounts/${textOf(values, "cloudflareAccountId") ?? ""}`;
  const zone = `/zones/${textOf(values, "cloudflareZoneId") ?? ""}`;
  const zoneProbes = [
    { permission: "Zone, Zone Settings: Edit", path: `${zone}/settings/min_tls_version` },
    { permission: "Zone, Zone WAF: Edit", path: `${zone}/rulesets` },
  ];
  return [
    { permission: "Account, Cloudflare Tunnel: Edit", path: `${account}/cfd_tunnel?per_page=1` },
    { permission: "Account, Notifications: Edit", path: `${account}/alerting/v3/policies` },
    ...(isOn(values, "cloudflareBackups")
      ? [{ permission: "Account, Workers R2 Storage: Edit", path: `${account}/r2/buckets?per_page=1` }]
      : []),
    { permission: "Zone, DNS: Edit", path: `${zone}/dns_records?per_page=1` },
    ...(isOn(values, "cloudflareManageZone") ? zoneProbes : []),
  ];
}

const CLOUDFLARE_TOKENS = "https://dash.cloudflare.com/profile/api-tokens";

export async function checkCloudflare(place: ApiPlace, values: Values): Promise<Finding[]> {
  const account = textOf(values, "cloudflareAccountId") ?? "";
  let verified = await get(place, "/user/tokens/verify");
  // A token that belongs to the account and not to a person is verified there.
  if (verified.status !== 200) verified = await get(place, `/accounts/${account}/tokens/verify`);
  const status = member(verified.body, "result", "status");
  if (verified.status === undefined) {
    return [unreachable("Cloudflare token", place.url)];
  }
  if (status !== "active") {
    const remedy = `Make a new one at ${CLOUDFLARE_TOKENS}, then: pulumi config set --secret omniai:cloudflareApiToken`;
    const detail = `Cloudflare says it is ${typeof status === "string" ? status : "no token of its own"}`;
    return [{ name: "Cloudflare token", good: false, detail, remedy }];
  }
  const probes = cloudflareProbes(values).map(async ({ permission, path }): Promise<Finding> => {
    const { status: code } = await get(place, path);
    const name = `Cloudflare ${permission}`;
    if (code === 200)
      return { name, good: true, detail: "may read; writing is seen by `npm run preview`, then `up`" };
    if (code === undefined) return unreachable(name, place.url);
    const remedy =
      code === 404
        ? "Check omniai:cloudflareAccountId and omniai:cloudflareZoneId: this token knows no such place."
        : `Give the token this permission at ${CLOUDFLARE_TOKENS}.`;
    return { name, good: false, detail: `missing (Cloudflare answered ${code})`, remedy };
  });
  return [{ name: "Cloudflare token", good: true, detail: "active" }, ...(await Promise.all(probes))];
}

export async function checkGithub(place: ApiPlace, values: Values): Promise<Finding[]> {
  const repository = textOf(values, "pagesRepository") ?? "";
  const name = `GitHub token for ${repository}`;
  const { status, body } = await get(place, `/repos/${repository}`);
  if (status === undefined) return [unreachable(name, place.url)];
  if (status !== 200) {
    const remedy = "Check omniai:pagesRepository, and that the token is given for that repository.";
    return [{ name, good: false, detail: `GitHub answered ${status}`, remedy }];
  }
  const pages = await get(place, `/repos/${repository}/pages`);
  // 404: there is no page yet, which is for the program to make.
  const mayPages = pages.status === 200 || pages.status === 404;
  const may = (permission: string): boolean => member(body, "permissions", permission) === true;
  return [
    need(`${name}: Contents, write`, may("push")),
    need(`${name}: Administration, write`, may("admin")),
    need(`${name}: Pages, write`, mayPages),
    ...httpsOf(pages.body, values),
  ];
}

/** Where the page has a name of its own: whether the second step, to enforce HTTPS, can be made and was. */
function httpsOf(pages: unknown, values: Values): Finding[] {
  const domain = textOf(values, "pagesDomain");
  if (domain === undefined) return [];
  const name = `HTTPS of ${domain}`;
  const ready = member(pages, "https_certificate", "state") === "approved";
  const enforced = isOn(values, "pagesHttpsEnforced");
  if (ready && !enforced) {
    const remedy = "Set it: pulumi config set omniai:pagesHttpsEnforced true; then `npm run up`.";
    return [
      {
        name,
        good: false,
        detail: "GitHub has the certificate, and omniai:pagesHttpsEnforced is false",
        remedy,
      },
    ];
  }
  if (!ready && enforced && member(pages, "https_enforced") !== true) {
    const remedy = "Set omniai:pagesHttpsEnforced to false until it has one.";
    return [
      { name, good: false, detail: "GitHub has no certificate yet, and refuses to enforce HTTPS", remedy },
    ];
  }
  return [
    { name, good: true, detail: enforced ? "enforced" : "GitHub has no certificate yet; that takes a while" },
  ];
}

const need = (name: string, good: boolean): Finding => ({
  name,
  good,
  detail: good ? "allowed" : "missing",
  ...(good ? {} : { remedy: "Give the token this permission at https://github.com/settings/tokens" }),
});

const unreachable = (name: string, url: string): Finding => ({
  name,
  good: false,
  detail: `${url} does not answer`,
  remedy: "Look at the network, or at the address that is set in the environment.",
});
