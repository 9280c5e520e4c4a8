/**
 * Sets the name of the page and, when asked to, HTTPS at GitHub, in one request:
 *   node domain.ts OWNER/NAME [remove]   with {token, domain, httpsEnforced} as JSON on standard input
 * The provider (6.15.0, like its Terraform original up to 6.13) does not send the name when it makes a page, and takes it
 * away whenever it changes anything else, because it leaves the name out of a request in which that means "none".
 */
import { text } from "node:stream/consumers";
import { z } from "zod";

const input = z.object({
  /** Empty: the provider's own variable. */
  token: z.string(),
  domain: z.string(),
  httpsEnforced: z.boolean(),
});
export type DomainInput = z.infer<typeof input>;

interface Api {
  readonly url: string;
  readonly token: string;
}

/** Pure: what GitHub is told. */
export const settingsOf = ({ domain, httpsEnforced }: DomainInput, remove: boolean): object =>
  remove ? { cname: null } : { cname: domain, ...(httpsEnforced ? { https_enforced: true } : {}) };

/**
 * @param goneIsDone true where there is nothing left to set once the page, or its repository, is gone.
 * @throws Error with GitHub's own words
 */
export async function putSettings(
  { url, token }: Api,
  repository: string,
  settings: object,
  goneIsDone: boolean,
): Promise<void> {
  const response = await fetch(`${url}/repos/${repository}/pages`, {
    method: "PUT",
    headers: {
      authorization: `Bearer ${token}`,
      accept: "application/vnd.github+json",
      "content-type": "application/json",
      "user-agent": "omniai",
    },
    body: JSON.stringify(settings),
    signal: AbortSignal.timeout(30_000),
  });
  if (response.ok || (goneIsDone && response.status === 404)) return;
  const body = (await response.json().catch(() => ({}))) as { message?: string };
  throw new Error(
    `GitHub refuses ${JSON.stringify(settings)} for the page of ${repository} (${response.status}): ${body.message ?? "it says nothing more"}`,
  );
}

if (import.meta.main) {
  const [repository = "", verb] = process.argv.slice(2);
  const given = input.parse(JSON.parse(await text(process.stdin)));
  const url = (process.env["GITHUB_BASE_URL"] ?? "https://api.github.com").replace(/\/$/, "");
  const remove = verb === "remove";
  const token = given.token === "" ? (process.env["GITHUB_TOKEN"] ?? "") : given.token;
  try {
    await putSettings({ url, token }, repository, settingsOf(given, remove), remove);
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error));
    process.exitCode = 1;
  }
}
