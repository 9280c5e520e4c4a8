/** The files of the page: frontend/ as it is, and the one file that differs between stacks. */
import { readdirSync, readFileSync } from "node:fs";
import { join, relative, sep } from "node:path";
import type { RuntimeConfig } from "./runtime-config.ts";

/** One file of the page; all of them are text. */
export interface SiteFile {
  /** With slashes, from the page's root. */
  readonly path: string;
  readonly content: string;
}

/** The files that a browser asks for. Everything else in frontend/ is for its developers. */
const published = /\.(html|css|js|svg)$/;

/** The files that are the same for every stack, in a stable order. */
export function staticFiles(frontend: string): SiteFile[] {
  const files = readdirSync(frontend, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && (published.test(entry.name) || entry.name === ".nojekyll"))
    .map((entry) => join(entry.parentPath, entry.name));
  return files.sort().map((file) => ({
    path: relative(frontend, file).split(sep).join("/"),
    content: readFileSync(file, "utf8"),
  }));
}

/** The files that a stack adds: which backend the page belongs to, and the page's own name where it has one. */
export const stackFiles = (runtimeConfig: RuntimeConfig, domain: string): SiteFile[] => [
  // Sorted, because the state returns the members in another order, and the same config has to be the same file.
  { path: "runtime-config.json", content: `${JSON.stringify(sorted(runtimeConfig), null, 2)}\n` },
  // GitHub keeps the name of a page in this file of its branch; a publication without the file drops the name.
  ...(domain === "" ? [] : [{ path: "CNAME", content: `${domain}\n` }]),
];

const sorted = (config: RuntimeConfig): object =>
  Object.fromEntries(Object.entries(config).sort(([left], [right]) => left.localeCompare(right)));
