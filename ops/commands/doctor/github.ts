/** Whether the token of a stack's page may do what the program will ask of GitHub. It only reads. */
import type { KnownConfig } from "../../stack/settings.ts";
import { get, member, unreachable, type ApiEndpoint, type Finding } from "./cloud-api.ts";

export async function checkGithub(api: ApiEndpoint, config: KnownConfig): Promise<Finding[]> {
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
    ...httpsOf(pages.body, config),
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
