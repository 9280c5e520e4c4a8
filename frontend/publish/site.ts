/** The files of the page: frontend/ as it is, and the one file that differs between stacks. */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import type { RuntimeConfig } from "./runtime-config.ts";

/** One file of the page; all of them are text. */
export interface SiteFile {
  /** With slashes, from the page's root. */
  readonly path: string;
  readonly content: string;
}

/** The files that a browser asks for. Everything else in frontend/ is for its developers. */
const published = /\.(html|css|js|svg|webmanifest)$/;

/** The folders of frontend/ that a browser asks for nothing of. */
const unpublished = /^(node_modules|publish)\//;

/** What the page uses of npm packages, by its path on the page. The lockfile holds each package to its integrity. */
const vendor: Readonly<Record<string, string>> = {
  "vendor/uplot.css": "uplot/dist/uPlot.min.css",
  "vendor/uplot.js": "uplot/dist/uPlot.iife.min.js",
};

/** The files that are the same for every stack, in a stable order, with the version that they are together. */
export function staticFiles(frontend: string): SiteFile[] {
  return withVersion(sourceFiles(frontend));
}

/** Names each version by what is in it: its files know to which one they belong. */
const VERSION_FILE = "js/version.js";
const WORKER_FILE = "sw.js";

/** The version of files that staticFiles() gave. */
export const versionOf = (files: readonly SiteFile[]): string =>
  /PAGE_VERSION = "([0-9a-z]+)"/.exec(files.find(({ path }) => path === VERSION_FILE)?.content ?? "")?.[1] ??
  "";

/** Pure: writes the version into the page, and into its service worker with the integrity of every file. */
export function withVersion(files: readonly SiteFile[]): SiteFile[] {
  const version = createHash("sha256").update(JSON.stringify(files)).digest("hex").slice(0, 12);
  const stamped = files.map(({ path, content }) =>
    path === VERSION_FILE ? { path, content: stamp(content, "PAGE_VERSION", version) } : { path, content },
  );
  const kept = stamped.filter(({ path }) => path !== WORKER_FILE && path !== ".nojekyll");
  const integrity = Object.fromEntries(
    kept.map(({ path, content }) => [
      path,
      `sha256-${createHash("sha256").update(content).digest("base64")}`,
    ]),
  );
  return stamped.map(({ path, content }) =>
    path === WORKER_FILE
      ? { path, content: stamp(stamp(content, "VERSION", version), "FILES", integrity) }
      : { path, content },
  );
}

/** @throws Error when the file has no such constant. */
function stamp(content: string, name: string, value: unknown): string {
  const line = new RegExp(`^((?:export )?const ${name} = ).*;$`, "m");
  if (!line.test(content)) throw new Error(`There is no constant ${name} to write the version into.`);
  return content.replace(line, (_, start: string) => `${start}${JSON.stringify(value)};`);
}

function sourceFiles(frontend: string): SiteFile[] {
  const own = readdirSync(frontend, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && (published.test(entry.name) || entry.name === ".nojekyll"))
    .map((entry) => join(entry.parentPath, entry.name))
    .map((file) => ({ path: relative(frontend, file).split(sep).join("/"), file }))
    .filter(({ path }) => !unpublished.test(path));
  const ofPackages = Object.entries(vendor).map(([path, name]) => ({
    path,
    file: fileURLToPath(import.meta.resolve(name)),
  }));
  return [...own, ...ofPackages]
    .sort((left, right) => (left.path < right.path ? -1 : 1))
    .map(({ path, file }) => ({ path, content: readFileSync(file, "utf8") }));
}

/** The whole page of a stack. */
export function siteFiles(frontend: string, config: RuntimeConfig, domain = ""): SiteFile[] {
  const files = staticFiles(frontend);
  return [...files, ...stackFiles({ ...config, pageVersion: versionOf(files) }, domain)];
}

/** The files that a stack adds: which backend the page belongs to, and the page's own name where it has one. */
export const stackFiles = (runtimeConfig: RuntimeConfig, domain: string): SiteFile[] => [
  // Sorted, because the state returns the members in another order, and the same config has to be the same file.
  { path: "runtime-config.json", content: `${JSON.stringify(sorted(runtimeConfig), null, 2)}\n` },
  // GitHub keeps the name of a page in this file of its branch; a publication without the file drops the name.
  ...(domain === "" ? [] : [{ path: "CNAME", content: `${domain}\n` }]),
];

const sorted = (members: object): object =>
  Object.fromEntries(
    Object.entries(members)
      .map(([name, value]: [string, unknown]) => [name, isGroup(value) ? sorted(value) : value] as const)
      .sort(([left], [right]) => left.localeCompare(right)),
  );

const isGroup = (value: unknown): value is object =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** In every HTML file of the page, for hosts that cannot send headers. */
const policyTag = /http-equiv="Content-Security-Policy"\s+content="([^"]+)"/;

/**
 * The policy that the page's own HTML asks for, narrowed to what is possible where page and API share an origin:
 * connections to nowhere else, and no frame around it, which a policy in HTML cannot say.
 * @throws Error for a page without a policy.
 */
export function policyOf(files: readonly SiteFile[]): string | undefined {
  const index = files.find(({ path }) => path === "index.html");
  if (!index) return undefined;
  const policy = policyTag.exec(index.content)?.[1];
  if (policy === undefined) throw new Error("index.html has no Content-Security-Policy.");
  const own = policy
    .split(";")
    .map((directive) => directive.trim())
    .map((directive) => (directive.startsWith("connect-src") ? "connect-src 'self'" : directive));
  return [...own, "frame-ancestors 'none'"].join("; ");
}
