/** What `npm run doctor` finds out about the clouds that a stack uses: Cloudflare for the tunnel, GitHub for the page. */
import type { KnownConfig } from "../../stack/settings.ts";
import type { ApiEndpoint, Finding } from "./cloud-api.ts";
import { checkRules } from "./cloudflare-rules.ts";
import { checkCloudflare } from "./cloudflare.ts";
import { checkGithub, type HasType } from "./github.ts";

/** Reads a secret of the stack by its config key. That may take a while, so only needed ones are read. */
export type ReadSecret = (key: string) => Promise<string | undefined>;

/** The same variables as the providers read. */
const cloudflare = { key: "cloudflareApiToken", token: "CLOUDFLARE_API_TOKEN", url: "CLOUDFLARE_BASE_URL" };
const github = { key: "githubToken", token: "GITHUB_TOKEN", url: "GITHUB_BASE_URL" };

async function endpointOf(
  names: typeof cloudflare,
  standard: string,
  environment: NodeJS.ProcessEnv,
  read: ReadSecret,
): Promise<ApiEndpoint | undefined> {
  const token = (await read(names.key)) ?? environment[names.token];
  if (!token) return undefined;
  return { token, url: (environment[names.url] ?? standard).replace(/\/$/, "") };
}

const noToken = ({ key, token }: typeof cloudflare): Finding => ({
  name: `omniai:${key}`,
  good: false,
  detail: "not set, or it cannot be decrypted here",
  remedy: `Set it with: pulumi config set --secret omniai:${key}; or in ${token}.`,
});

/**
 * @param stack the name that stands in the commands of remedies.
 * @param has what is in the stack's state; without it nothing is known of that.
 */
export async function inspectClouds(
  config: KnownConfig,
  environment: NodeJS.ProcessEnv,
  read: ReadSecret,
  stack = "STACK",
  has: HasType = () => Promise.resolve(undefined),
): Promise<Finding[]> {
  const findings: Finding[] = [];
  if (config.tunnelEnabled) {
    const api = await endpointOf(cloudflare, "https://api.cloudflare.com/client/v4", environment, read);
    findings.push(
      ...(api
        ? [...(await checkCloudflare(api, config)), ...(await checkRules(api, config, stack))]
        : [noToken(cloudflare)]),
    );
  }
  if (config.pagesEnabled) {
    const api = await endpointOf(github, "https://api.github.com", environment, read);
    findings.push(...(api ? await checkGithub(api, config, stack, has) : [noToken(github)]));
  }
  return findings;
}
