/** `npm run pages -- build`: writes the page of a stack as files, for whoever serves or deploys it. */
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import type { RuntimeConfig } from "../../frontend/publish/runtime-config.ts";
import { siteFiles, type SiteFile } from "../../frontend/publish/site.ts";
import { ROOT, type CommonOptions } from "../stack/place.ts";
import { openSession } from "../stack/session.ts";
import { exit, OpsError } from "../terminal/errors.ts";
import { npmRun } from "../terminal/npm-run.ts";
import { print } from "../terminal/output.ts";

export interface PagesOptions extends CommonOptions {
  readonly out: string;
}

/** Writes the files into a folder that is empty or does not exist yet. @throws OpsError */
export function writeSite(folder: string, files: readonly SiteFile[]): void {
  if (existsSync(folder) && readdirSync(folder).length > 0) {
    throw new OpsError(
      `${folder} is not empty; the files in it would be published with the page.`,
      "Name a folder that is empty or does not exist yet: --out DIR",
      exit.usage,
    );
  }
  for (const file of files) {
    const target = join(folder, file.path);
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, file.content);
  }
}

/** Pure: the page's config out of the stack's outputs. @throws OpsError for a stack that has none yet */
export function runtimeConfigOf(
  outputs: Readonly<Record<string, { value: unknown }>>,
  stack: string,
): RuntimeConfig {
  const value = outputs["runtimeConfig"]?.value as RuntimeConfig | undefined;
  if (typeof value?.apiBaseUrl === "string") return value;
  throw new OpsError(
    `Stack ${stack} has no runtimeConfig, because it was never deployed completely.`,
    `Deploy it first: ${npmRun("up", stack)}`,
  );
}

export async function pages(_action: string, options: PagesOptions): Promise<void> {
  const { handle, stack } = await openSession(options, { create: false, onlyLooking: true });
  const config = runtimeConfigOf(await handle.state.outputs(), stack);
  const domain = handle.settings.config.pagesDomain ?? "";
  const folder = resolve(options.out);
  const files = siteFiles(join(ROOT, "frontend"), config, domain);
  writeSite(folder, files);
  print(
    `The page of stack ${stack} is written to ${folder} (${files.length} files); it calls ${config.apiBaseUrl}.`,
  );
}
