/** `npm run pages -- build`: the page of a stack as files, for whoever serves or deploys it. */
import fs from "node:fs";
import path from "node:path";
import { stackFiles, staticFiles, type SiteFile } from "../../infra/components/pages/site.ts";
import type { RuntimeConfig } from "../../infra/components/pages/runtime-config.ts";
import { EXIT, OpsError } from "../terminal/errors.ts";
import { print } from "../terminal/output.ts";
import { openSession, ROOT, type CommonOptions } from "../stack/session.ts";
import { textOf } from "../stack/settings.ts";

export interface PagesOptions extends CommonOptions {
  readonly out: string;
}

/** Writes the files into a folder that is empty or not there yet. @throws OpsError */
export function writeSite(folder: string, files: readonly SiteFile[]): void {
  if (fs.existsSync(folder) && fs.readdirSync(folder).length > 0) {
    throw new OpsError(
      `${folder} is not empty; what lies there would be published with the page.`,
      "Give the name of a folder that is empty or not there yet: --out DIR",
      EXIT.usage,
    );
  }
  for (const file of files) {
    const target = path.join(folder, file.path);
    fs.mkdirSync(path.dirname(target), { recursive: true });
    fs.writeFileSync(target, file.content);
  }
}

/** Out of the stack's outputs. @throws OpsError for a stack that has none yet */
export function runtimeConfigOf(
  outputs: Readonly<Record<string, { value: unknown }>>,
  stack: string,
): RuntimeConfig {
  const value = outputs["runtimeConfig"]?.value as RuntimeConfig | undefined;
  if (typeof value?.apiBaseUrl === "string") return value;
  throw new OpsError(
    `Stack ${stack} has no runtimeConfig: it was not deployed to its end.`,
    `Deploy it first: npm run up -- --stack ${stack}`,
  );
}

export async function buildPages(options: PagesOptions): Promise<void> {
  const { handle, stack } = await openSession(options, { create: false, onlyLooking: true });
  const config = runtimeConfigOf(await handle.state.outputs(), stack);
  const domain = textOf(handle.settings.values, "pagesDomain") ?? "";
  const folder = path.resolve(options.out);
  const files = [...staticFiles(path.join(ROOT, "frontend")), ...stackFiles(config, domain)];
  writeSite(folder, files);
  print(
    `${files.length} files of the page of stack ${stack} are in ${folder}; it calls ${config.apiBaseUrl}.`,
  );
}
