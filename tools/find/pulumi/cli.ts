/** The Pulumi CLI: found, downloaded or built. */
import { existsSync, readFileSync, realpathSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { inspectGo } from "../../build/go.ts";
import { buildProgram, builtProgram, requiredVersion, type Recipe } from "../../build/pulumi/recipe.ts";
import { cachedFolder, ensureCached, type CacheKey } from "../../host/cache.ts";
import { REPOSITORY_ROOT } from "../../host/context.ts";
import { ToolchainError, type PartStatus, type ToolchainContext } from "../../host/part.ts";
import { findOnPath, isExecutable } from "../../host/path.mjs";
import { run } from "../../host/run.ts";
import { compareVersions, findVersion } from "../../host/versions.ts";
import { canDownload } from "../network.ts";
import type { PulumiPart } from "./part.ts";

/** The version that the stack was written against. It is also the one that is built where none can be downloaded. */
const MINIMUM_PULUMI = "3.259.0";
const REMEDY = `Install Pulumi ${MINIMUM_PULUMI} or newer (https://www.pulumi.com/docs/install/).`;

const CLI_MODULE = "github.com/pulumi/pulumi/pkg/v3";

const recipe: Recipe = {
  program: "pulumi",
  folder: "cli",
  package: `${CLI_MODULE}/cmd/pulumi`,
  version: () => requiredVersion("cli", CLI_MODULE),
  versionVariable: "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version",
};

/** The Pulumi CLI. */
export const pulumiPart: PulumiPart = {
  name: "pulumi",
  inspect: async (context) => {
    const tooOld: string[] = [];
    // A shell may have the PATH of an earlier run, so the cache's own files do not count as installed.
    for (const location of findOnPath("pulumi", context.env, [context.cacheDir])) {
      const { stdout } = await run(location, ["version"], { env: quiet(context), timeoutMs: 10_000 });
      const version = findVersion(stdout);
      if (version && compareVersions(version, MINIMUM_PULUMI) >= 0) return found("path", version, location);
      tooOld.push(`${location} is ${version ?? "of an unknown version"}`);
    }
    const downloaded = join(cachedFolder(context.cacheDir, officialKey()), "bin", "pulumi");
    if (isExecutable(downloaded)) return found("downloaded", officialKey().version, downloaded);
    const built = await builtProgram(context, recipe);
    if (built) return found("built", await recipe.version(), built);
    return {
      name: "pulumi",
      way: "missing",
      remedy: tooOld.length ? `${REMEDY} Too old: ${tooOld.join(", ")}.` : REMEDY,
    };
  },
  plan: async (context, status, official) => {
    if (status.way !== "missing") return undefined;
    if (official) return { what: `download the Pulumi CLI ${officialKey().version}`, minutes: 1 };
    await requireGo(context, "The Pulumi CLI");
    return { what: `build the Pulumi CLI ${await recipe.version()} with Go`, minutes: 4 };
  },
  ensure: async (context) => {
    const status = await pulumiPart.inspect(context);
    if (status.way !== "missing") return status;
    if (!context.install)
      throw new ToolchainError("The Pulumi CLI is missing or too old.", status.remedy ?? REMEDY);
    if (await canDownload(context.env)) {
      try {
        return found("downloaded", officialKey().version, await download(context));
      } catch (error) {
        context.report.warn(
          `The Pulumi CLI could not be downloaded (${String(error)}). Building it instead.`,
        );
      }
    }
    return found("built", await recipe.version(), await buildProgram(context, recipe));
  },
};

/** Fails early where a part would have to be built without Go. @throws ToolchainError */
export async function requireGo(context: ToolchainContext, what: string): Promise<void> {
  const go = await inspectGo(context);
  if (go.way !== "missing") return;
  throw new ToolchainError(
    `${what} can neither be downloaded nor built here: Go is missing or too old.`,
    go.remedy ?? "",
  );
}

/** The installation's folder, for PulumiCommand.get({ root }). Undefined when the program is not in a folder named bin. */
export function installationRoot(command: string): string | undefined {
  const folder = dirname(command);
  return basename(folder) === "bin" ? dirname(folder) : undefined;
}

/** The path of a program that comes with the CLI and is beside it. */
export function besideCli(cli: PartStatus, program: string): string | undefined {
  if (!cli.location) return undefined;
  const folders = [
    dirname(cli.location),
    existsSync(cli.location) ? dirname(realpathSync(cli.location)) : "",
  ];
  return folders.map((folder) => join(folder, program)).find(isExecutable);
}

/** The CLI that belongs to the SDK in node_modules. */
function officialKey(): CacheKey {
  const path = join(REPOSITORY_ROOT, "node_modules", "@pulumi", "pulumi", "package.json");
  const { version } = JSON.parse(readFileSync(path, "utf8")) as { version: string };
  return { part: "pulumi", version, recipe: `official-${process.platform}-${process.arch}` };
}

async function download(context: ToolchainContext): Promise<string> {
  const key = officialKey();
  const folder = await ensureCached(context.cacheDir, key, context.report, (unfinished) =>
    context.report.step(`Downloading the Pulumi CLI ${key.version}`, async () => {
      // Loaded only here, because it is large and nearly always nothing has to be downloaded.
      const { PulumiCommand } = await import("@pulumi/pulumi/automation/cmd.js");
      await PulumiCommand.install({ root: unfinished });
    }),
  );
  return join(folder, "bin", "pulumi");
}

function found(way: "path" | "downloaded" | "built", version: string, location: string): PartStatus {
  return { name: "pulumi", version, way, location };
}

/** An environment in which the CLI does not go out to look for a newer version. */
export function quiet(context: ToolchainContext): NodeJS.ProcessEnv {
  return { ...context.env, PULUMI_SKIP_UPDATE_CHECK: "true" };
}
