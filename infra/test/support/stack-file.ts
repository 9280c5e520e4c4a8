/** The stacks of this repository as they are deployed: their files, and what only an owner can add to them. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { offsiteConfig, pagesConfig } from "./tunnel-config.ts";

/** The keys of Pulumi.<stack>.yaml, without their namespace. */
export function stackFile(stack: string): Record<string, unknown> {
  const text = readFileSync(join(import.meta.dirname, `../../../Pulumi.${stack}.yaml`), "utf8");
  const { config } = parse(text) as { config: Record<string, unknown> };
  return Object.fromEntries(
    Object.entries(config).map(([key, value]) => [key.slice(key.indexOf(":") + 1), value]),
  );
}

/** What docs/deployment.md has an owner add; staging shares the zone, which prod manages. */
export const ownerValues: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  dev: {},
  staging: {
    ...pagesConfig,
    tunnelHostnames: ["api-staging.example.org"],
    edgeHosts: ["api-staging.example.org"],
    pagesRepository: "Owner/page-staging",
    cloudflareManageZone: false,
  },
  prod: {
    ...pagesConfig,
    ...offsiteConfig,
    edgeHosts: ["api.example.org"],
    pageSite: "same-site",
    pagesDomain: "app.example.org",
    edgeResourcePolicy: "same-site",
  },
};

const DIGEST = `sha256:${"0123456789abcdef".repeat(4)}`;

/** What `npm run stack -- pin` writes, with a digest that stands for any. */
export const pinned = (values: Readonly<Record<string, unknown>>): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(values)
      .filter(([key]) => key.endsWith("Image"))
      .map(([key, name]) => [key, `${String(name)}@${DIGEST}`]),
  );
