/** Whether the token of a stack's page may do what the program will ask of GitHub. It only reads. */
import type { KnownConfig } from "../../stack/settings.ts";
import { get, member, unreachable, type ApiEndpoint, type Finding } from "./cloud-api.ts";

/** Whether the stack's state has a resource of the type; undefined where the state cannot be read. */
export type HasType = (type: string) => Promise<boolean | undefined>;

/** @param stack the name that is part of the resources' names. */
export async function checkGithub(
  api: ApiEndpoint,
  config: KnownConfig,
  stack: string,
  has: HasType,
): Promise<Finding[]> {
  const { pagesRepository: repository = "" } = config;
  const name = `GitHub token for ${repository}`;
  const { status, body } = await get(api, `/repos/${repository}`);
  if (status === undefined) return [unreachable(name, api.url)];
  if (status !== 200) {
    const remedy = "Check omniai:pagesRepository, and that the token is given for that repository.";
    return [{ name, good: false, detail: `GitHub answered ${status}`, remedy }];
  }
  const pages = await get(api, `/repos/${repository}/pages`);
  // 404 means that there is no page yet; the program makes it.
  const mayPages = pages.status === 200 || pages.status === 404;
  const may = (permission: string): boolean => member(body, "permissions", permission) === true;
  return [
    need(`${name}: Contents, write`, may("push")),
    need(`${name}: Administration, write`, may("admin")),
    need(`${name}: Pages, write`, mayPages),
    ...(pages.status === 200 ? await ownedOf(repository, stack, has) : []),
    ...(pages.status === 200 ? domainOf(pages.body, config) : []),
    ...httpsOf(pages.body, config),
  ];
}

const PAGES = "github:index/repositoryPages:RepositoryPages";

/** GitHub refuses to make a page where there is one (409), so one of somebody else's making has to be taken over first. */
async function ownedOf(repository: string, stack: string, has: HasType): Promise<Finding[]> {
  const name = `page of ${repository}`;
  const owned = await has(PAGES);
  if (owned === undefined) return [];
  if (owned) return [{ name, good: true, detail: "the stack's own" }];
  return [
    {
      name,
      good: false,
      detail: "there already, and not in the stack's state; GitHub refuses to make another (409)",
      remedy:
        "Switch the page off in the repository's settings. Or, once an `up` has ended with that error, take it over: " +
        pagesImportLine(stack, repository),
    },
  ];
}

/** Pure: the command that takes the page over into the stack. Parent and provider are in it after the first `up`. */
export function pagesImportLine(stack: string, repository: string): string {
  const urn = (type: string, resource: string): string => `urn:pulumi:${stack}::omniai::${type}::${resource}`;
  const component = "omniai:pages:Pages";
  return [
    `pulumi import ${PAGES} omniai-${stack} ${repository.slice(repository.indexOf("/") + 1)}`,
    `--parent 'pages=${urn(component, `${stack}-pages`)}'`,
    `--provider 'github=${urn(`${component}$pulumi:providers:github`, "github")}'`,
    `--protect=false --stack ${stack}`,
  ].join(" ");
}

/** Whether GitHub still has the page's own name, which is set by a command and not read back by it. */
function domainOf(pages: unknown, config: KnownConfig): Finding[] {
  const { pagesDomain: domain = "" } = config;
  const found = member(pages, "cname");
  if (domain === "" || found === domain) return [];
  return [
    {
      name: `name of the page`,
      good: false,
      detail: `GitHub has ${typeof found === "string" ? found : "none"}, the config says ${domain}`,
      remedy:
        "If the stack was deployed with this name before, set it again in the repository's settings under Pages.",
    },
  ];
}

/** For a page with a domain of its own: whether HTTPS can be enforced, which is a second step, and whether it is. */
function httpsOf(pages: unknown, config: KnownConfig): Finding[] {
  const { pagesDomain: domain = "" } = config;
  if (domain === "") return [];
  const name = `HTTPS of ${domain}`;
  const ready = member(pages, "https_certificate", "state") === "approved";
  const enforced = config.pagesHttpsEnforced === true;
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
