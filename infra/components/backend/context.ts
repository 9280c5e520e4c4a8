/** The build context of the service's image: exactly the files that it is made from, in a folder named by their content. */
import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import { pruneLockfile, type Lockfile } from "./lockfile.ts";

export interface BuildContext {
  /** The folder that the engine gets. */
  readonly folder: string;
  /** 16 hex digits over every file of the folder and its base image's name. */
  readonly hash: string;
}

/** The files of the service's folder that do not go into its image. */
const leftOut = /^(test|dev|node_modules|coverage)(\/|$)|(^|\/)\.|\.(md|log|tsbuildinfo)$/;

/** How many contexts are kept; older ones belong to no running deploy. */
const KEPT = 5;

/**
 * Writes the context: the service's own files, and a package.json and a lockfile for the service alone. The same sources
 * give the same folder, so it is written once.
 * @param repository the folder with package-lock.json.
 * @param staging where contexts lie; made when missing.
 * @param baseImage part of the hash, because another base is another image.
 */
export function stageContext(repository: string, staging: string, baseImage: string): BuildContext {
  const files = collect(repository);
  const digest = createHash("sha256").update(`${baseImage}\n`);
  for (const [path, content] of files) digest.update(`${path}\n${content.length}\n`).update(content);
  const hash = digest.digest("hex").slice(0, 16);
  const folder = join(staging, `service-${hash}`);
  if (!existsSync(folder)) {
    mkdirSync(staging, { recursive: true });
    // Written beside it and then renamed, so that an interrupted run leaves no half context under a good name.
    const partial = mkdtempSync(join(staging, ".partial-"));
    for (const [path, content] of files) {
      const target = join(partial, path);
      mkdirSync(dirname(target), { recursive: true });
      writeFileSync(target, content);
    }
    chmodSync(partial, 0o755);
    try {
      renameSync(partial, folder);
    } catch (error) {
      rmSync(partial, { recursive: true, force: true });
      if (!existsSync(folder)) throw error;
    }
  }
  sweep(staging, folder);
  return { folder, hash };
}

function collect(repository: string): [string, Buffer][] {
  const service = join(repository, "service");
  const own = readdirSync(service, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(service, join(entry.parentPath, entry.name)).split(sep).join("/"))
    .filter((path) => !leftOut.test(path));
  const lockfile = JSON.parse(readFileSync(join(repository, "package-lock.json"), "utf8")) as Lockfile;
  const json = (value: unknown): Buffer => Buffer.from(`${JSON.stringify(value, null, 2)}\n`);
  const manifest = JSON.parse(readFileSync(join(service, "package.json"), "utf8")) as Record<string, unknown>;
  delete manifest["devDependencies"];
  delete manifest["scripts"];
  const files: [string, Buffer][] = own
    .filter((path) => path !== "package.json")
    .map((path) => [`service/${path}`, readFileSync(join(service, path))]);
  files.push(
    ["service/package.json", json(manifest)],
    ["package.json", json({ private: true, workspaces: ["service"] })],
    ["package-lock.json", json(pruneLockfile(lockfile, "service"))],
  );
  return files.sort(([left], [right]) => (left < right ? -1 : 1));
}

function sweep(staging: string, current: string): void {
  const folders = readdirSync(staging)
    .map((name) => join(staging, name))
    .filter((path) => path !== current)
    .map((path) => ({ path, time: statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0 }))
    .sort((left, right) => right.time - left.time);
  for (const { path } of folders.slice(KEPT - 1)) rmSync(path, { recursive: true, force: true });
}
