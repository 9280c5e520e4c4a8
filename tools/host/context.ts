/** What every part gets: where the cache is, whether it may install, and where it reports. */
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import type { Reporter, ToolchainContext } from "./part.ts";
import { createReporter } from "./report.ts";

/** The repository's root, with node_modules and the recipes. */
export const REPOSITORY_ROOT = resolve(import.meta.dirname, "../..");

export interface ContextOptions {
  /** False with `--no-install`. Default: true. */
  readonly install?: boolean;
  /** Default: a reporter on standard error, so that standard output stays for results. */
  readonly report?: Reporter;
  /** Default: this process's environment. */
  readonly env?: NodeJS.ProcessEnv;
}

/** Makes the context that every part gets. */
export function createContext(options: ContextOptions = {}): ToolchainContext {
  const env = options.env ?? process.env;
  return {
    cacheDir: cacheDirOf(env),
    install: options.install ?? true,
    report: options.report ?? createReporter(),
    env,
  };
}

/** The cache is outside the repository, so that a fresh clone on the same machine has nothing to build. */
export function cacheDirOf(env: NodeJS.ProcessEnv): string {
  if (env.OMNIAI_CACHE) return resolve(env.OMNIAI_CACHE);
  const base = env.XDG_CACHE_HOME || join(env.HOME || homedir(), ".cache");
  return resolve(base, "omniai");
}
