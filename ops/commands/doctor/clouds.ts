/** What `npm run doctor` says about the clouds of a stack: nothing, for a stack that needs none. */
import { checkGithub } from "./github.ts";
import type { ApiEndpoint, Finding } from "./cloud-api.ts";
import { checkCloudflare } from "./cloudflare.ts";
import { checkRules } from "./cloudflare-rules.ts";
import { isOn, type Values } from "../../stack/settings.ts";

/** Secrets of the stack by config key; it may take a while to read them, so it is asked only where they are needed. */
export type ReadSecret = (key: string) => Promise<string | undefined>;

/** The same variables as the providers read. */
const CLOUDFLARE = { key: "cloudflareApiToken", token: "CLOUDFLARE_API_TOKEN", url: "CLOUDFLARE_BASE_URL" };
const GITHUB = { key: "githubToken", token: "GITHUB_TOKEN", url: "GITHUB_BASE_URL" };

async function placeOf(
  names: typeof CLOUDFLARE,
  standard: string,
  environment: NodeJS.ProcessEnv,
  read: ReadSecret,
): Promise<ApiEndpoint | undefined> {
  const token = (await read(names.key)) ?? environment[names.token];
  if (!token) return undefined;
  return { token, url: (environment[names.url] ?? standard).replace(/\/$/, "") };
}

const noToken = ({ key, token }: typeof CLOUDFLARE): Finding => ({
  name: `omniai:${key}`,
  good: false,
  detail: "not set, or it cannot be decrypted here",
  remedy: `Set it with: pulumi config set --secret omniai:${key}; or in ${token}.`,
});

/** @param stack its name, for what has to be typed with it. */
export async function inspectClouds(
  values: Values,
  environment: NodeJS.ProcessEnv,
  read: ReadSecret,
  stack = "STACK",
): Promise<Finding[]> {
  const findings: Finding[] = [];
  if (isOn(values, "tunnelEnabled")) {
    const place = await placeOf(CLOUDFLARE, "https://api.cloudflare.com/client/v4", environment, read);
    findings.push(
      ...(place
        ? [...(await checkCloudflare(place, values)), ...(await checkRules(place, values, stack))]
        : [noToken(CLOUDFLARE)]),
    );
  }
  if (isOn(values, "pagesEnabled")) {
    const place = await placeOf(GITHUB, "https://api.github.com", environment, read);
    findings.push(...(place ? await checkGithub(place, values) : [noToken(GITHUB)]));
  }
  return findings;
}
