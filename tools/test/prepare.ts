/** Makes the machine ready for the suites, with the same parts that `npm run up` uses. */
import { join } from "node:path";
import { imageNames, readSettings } from "../../ops/stack/settings.ts";
import { ensureBrowsers } from "../find/chromium.ts";
import { enginePart, resolveDockerHost } from "../find/engine/index.ts";
import { ensureImages } from "../find/images/index.ts";
import { createContext, ensureToolchain } from "../find/index.ts";
import { registryPart } from "../find/registry.ts";
import type { Need } from "./suites.ts";

const REPOSITORY = join(import.meta.dirname, "../..");

/**
 * @param needs what the chosen suites need.
 * @param install false refuses to install anything, and says what is missing.
 * @returns the environment that the suites run in.
 */
export async function prepare(needs: ReadonlySet<Need>, install: boolean): Promise<NodeJS.ProcessEnv> {
  if (needs.size === 0) return process.env;
  const context = createContext({ install });
  const env = needs.has("stack") ? { ...process.env, ...(await ensureToolchain(context)).env } : process.env;
  if (!needs.has("stack")) await enginePart.ensure(context);
  const host = await resolveDockerHost(context.env);
  await ensureImages(context, imageNames("dev", readSettings(REPOSITORY, "dev").config), host);
  // Here, because a build of many minutes would use up the time that a hook of the suite has.
  if (needs.has("registry")) await registryPart.ensure(context);
  const browsers = needs.has("browser") ? await ensureBrowsers(context) : {};
  return { ...env, ...browsers, DOCKER_HOST: host };
}
