/** The page's config keys: what each may be, what they contradict, and what they become. */
import { z } from "zod";
import { flag, hostname, token, within, type ConfigProblem, type Values } from "../../config/keys.ts";
import { secret, type Loaded } from "../../config/secrets.ts";
import {
  featuresWithout,
  PAGE_FEATURES,
  type PageSettings,
} from "../../../frontend/publish/runtime-config.ts";
import type { BackendConfig } from "../backend/config.ts";
import type { EdgeConfig } from "../edge/config.ts";
import type { TunnelConfig } from "../tunnel/config.ts";
import type { PagesArgs } from "./pages.ts";

export const pagesKeys = {
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
  githubToken: secret(token),
  pageWithout: z
    .array(z.enum(PAGE_FEATURES))
    .refine((names) => new Set(names).size === names.length)
    .describe(`a list of ${PAGE_FEATURES.join(", ")}, each once at most`),
  pageMeasureSeconds: within(1, 3600),
  pagePollSeconds: within(1, 25),
};

export type PagesConfig = Values<typeof pagesKeys>;

/** What a page needs, and where its name must not lead. */
function pagesRules(
  config: Omit<PagesConfig, "githubToken"> &
    Pick<TunnelConfig, "tunnelEnabled" | "tunnelHostnames"> &
    Pick<EdgeConfig, "pageAt">,
): ConfigProblem[] {
  if (!config.pagesEnabled) {
    const allowed = "pages only with omniai:pagesEnabled; else auto, edge or none";
    return config.pageAt === "pages" ? [{ key: "pageAt", value: "pages", allowed }] : [];
  }
  if (config.pageAt === "edge" || config.pageAt === "none") {
    const allowed = "pages or auto with omniai:pagesEnabled: the page is published in one place";
    return [{ key: "pageAt", value: config.pageAt, allowed }];
  }
  const problems: ConfigProblem[] = [];
  if (config.pagesRepository === "")
    problems.push({ key: "pagesRepository", value: "", allowed: "owner/name with omniai:pagesEnabled" });
  if (!config.tunnelEnabled) {
    problems.push({
      key: "pagesEnabled",
      value: true,
      allowed:
        "true only with omniai:tunnelEnabled: a page on HTTPS can only call an API with a certificate that browsers trust",
    });
  } else if (config.tunnelHostnames.includes(config.pagesDomain)) {
    problems.push({
      key: "pagesDomain",
      value: config.pagesDomain,
      allowed: "a host name that is not in omniai:tunnelHostnames: one name leads to one place",
    });
  }
  return problems;
}

/** A rule of its own: where the token is encrypted and not known, a rule that reads it says nothing. */
const tokenRule = (
  config: Pick<PagesConfig, "pagesEnabled" | "githubToken">,
  environment: NodeJS.ProcessEnv,
): ConfigProblem[] =>
  config.pagesEnabled && config.githubToken === "" && !environment["GITHUB_TOKEN"]
    ? [
        {
          key: "githubToken",
          value: "",
          allowed: "a token with omniai:pagesEnabled, here or in GITHUB_TOKEN",
        },
      ]
    : [];

export const PAGES_PROBLEMS = [pagesRules, tokenRule] as const;

/** Pure: how the page behaves, wherever it is served. */
export const pageSettings = (
  config: Pick<PagesConfig, "pageWithout" | "pageMeasureSeconds" | "pagePollSeconds"> &
    Pick<BackendConfig, "authMode" | "webPush">,
): PageSettings => ({
  authMode: config.authMode,
  measureSeconds: config.pageMeasureSeconds,
  pollSeconds: config.pagePollSeconds,
  features: featuresWithout(config.pageWithout),
  ...(config.webPush ? { webPush: true } : {}),
});

/** What the stack gives a page beside its config. */
type FromTheStack = "frontend" | "runtimeConfig" | "dependsOn";

export const pagesArgs = (config: Loaded<PagesConfig>): Omit<PagesArgs, FromTheStack> => ({
  repository: config.pagesRepository,
  token: config.githubToken,
  source: config.pagesSource,
  branch: config.pagesBranch,
  domain: config.pagesDomain,
  httpsEnforced: config.pagesHttpsEnforced,
});
