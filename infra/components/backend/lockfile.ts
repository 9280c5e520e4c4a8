/** The part of the npm lockfile that one workspace needs to run. */

/** One package of a lockfile, as npm writes it (lockfileVersion 3). */
export interface LockedPackage {
  readonly version?: string;
  readonly link?: boolean;
  readonly resolved?: string;
  readonly dev?: boolean;
  readonly workspaces?: readonly string[];
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly [key: string]: unknown;
}

export interface Lockfile {
  readonly name?: string;
  readonly lockfileVersion: number;
  readonly packages: Readonly<Record<string, LockedPackage>>;
}

/**
 * Prunes a lockfile to one workspace and what it needs in production, so that a new linter in the project does not
 * cause a new image of the service. Packages keep their places, because `npm ci` checks them.
 * @param workspace the workspace's folder, for example "service".
 * @throws Error when the workspace or one of its dependencies is not in the lockfile.
 */
export function pruneLockfile(lockfile: Lockfile, workspace: string): Lockfile {
  const root = lockfile.packages[workspace];
  if (!root) throw new Error(`package-lock.json has no workspace "${workspace}"; run npm install`);
  const kept = new Map<string, LockedPackage>();
  const visit = (path: string): void => {
    const entry = lockfile.packages[path];
    if (!entry || kept.has(path)) return;
    kept.set(path, entry);
    const required = Object.keys({ ...entry.dependencies, ...entry.peerDependencies });
    const optional = Object.keys(entry.optionalDependencies ?? {});
    for (const name of [...required, ...optional]) {
      const found = resolve(lockfile, path, name);
      if (found) visit(found);
      else if (entry.dependencies && name in entry.dependencies && !optional.includes(name)) {
        throw new Error(`package-lock.json has no "${name}", which "${path}" needs; run npm install`);
      }
    }
  };
  visit(workspace);
  const { devDependencies: _, ...production } = root;
  kept.set(workspace, production);
  const link = `node_modules/${String(root["name"])}`;
  const packages: Record<string, LockedPackage> = { "": { workspaces: [workspace] } };
  for (const path of [...kept.keys(), link].sort()) {
    packages[path] = path === link ? { resolved: workspace, link: true } : (kept.get(path) ?? {});
  }
  return { name: lockfile.name, lockfileVersion: lockfile.lockfileVersion, packages };
}

/** Finds a package as Node does from a folder: in the nearest node_modules on the way up. */
function resolve(lockfile: Lockfile, from: string, name: string): string | undefined {
  let folder = from;
  for (;;) {
    const candidate = folder === "" ? `node_modules/${name}` : `${folder}/node_modules/${name}`;
    if (candidate in lockfile.packages) return candidate;
    if (folder === "") return undefined;
    const cut = folder.lastIndexOf("/node_modules/");
    folder = cut >= 0 ? folder.slice(0, cut) : folder.startsWith("node_modules/") ? "" : parentOf(folder);
  }
}

const parentOf = (folder: string): string =>
  folder.includes("/") ? folder.slice(0, folder.lastIndexOf("/")) : "";
