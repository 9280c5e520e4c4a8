/** The Pulumi plugins that the stack uses: found, downloaded or built as stand-ins. */
import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { buildProgram, builtProgram, versionConstant, type Recipe } from "../../build/pulumi/recipe.ts";
import { REPOSITORY_ROOT } from "../../host/context.ts";
import { ToolchainError, type PartStatus, type ToolchainContext } from "../../host/part.ts";
import { findOnPath, isExecutable } from "../../host/path.mjs";
import { indent, run } from "../../host/run.ts";
import { compareVersions } from "../../host/versions.ts";
import { canDownload } from "../network.ts";
import { pulumiPart, quiet, requireGo } from "./cli.ts";
import type { PulumiPart } from "./part.ts";
import { pluginVersion } from "./plugin-version.ts";

interface PluginSource {
  /** The plugin's name, and that of its npm package below @pulumi. */
  readonly name: string;
  /** The file of the recipe with the version that it stands in for. */
  readonly versionFile: string;
  readonly generator?: string;
  /** What the stand-in lacks compared with the official plugin. */
  readonly limits: readonly string[];
  /** How long the build takes on two cores with an empty cache, roughly. */
  readonly minutes: number;
}

function pluginPart(source: PluginSource): PulumiPart {
  const program = `pulumi-resource-${source.name}`;
  const recipe: Recipe = {
    program,
    folder: source.name,
    package: ".",
    version: () => versionConstant(source.name, source.versionFile),
    generator: source.generator,
  };
  const builtStatus = async (location: string): Promise<PartStatus> => ({
    name: program,
    version: await recipe.version(),
    way: "built",
    location,
    limits: source.limits,
  });

  const part: PulumiPart = {
    name: program,
    inspect: async (context) => {
      const found = await inspectOfficial(context, source.name);
      if (found.way !== "missing") return found;
      const built = await builtProgram(context, recipe);
      return built ? await builtStatus(built) : found;
    },
    plan: async (context, found, official) => {
      if (found.way !== "missing") return undefined;
      const wanted = wantedVersion(source.name);
      if (official) return { what: `download the Pulumi plugin ${source.name} ${wanted}`, minutes: 1 };
      await requireGo(context, `The Pulumi plugin ${source.name}`);
      return {
        what: `build a stand-in for the Pulumi plugin ${source.name} ${wanted} with Go`,
        minutes: source.minutes,
      };
    },
    ensure: async (context) => {
      const found = await part.inspect(context);
      if (found.way !== "missing") return found;
      if (!context.install)
        throw new ToolchainError(`The Pulumi plugin ${source.name} is missing.`, found.remedy ?? "");
      if ((await canDownload(context.env)) && (await download(context, source.name)))
        return await part.inspect(context);
      return await builtStatus(await buildProgram(context, recipe));
    },
  };
  return part;
}

/** A plugin that somebody else made: on PATH and new enough, or installed by the CLI. */
async function inspectOfficial(context: ToolchainContext, name: string): Promise<PartStatus> {
  const program = `pulumi-resource-${name}`;
  const wanted = wantedVersion(name);
  const unfit: string[] = [];
  for (const location of findOnPath(program, context.env, [context.cacheDir])) {
    const version = await pluginVersion(location, "ResourceProvider", context.env);
    if (version !== undefined && compareVersions(version, wanted) >= 0)
      return { name: program, version, way: "path", location };
    unfit.push(`${location} is ${version ?? "of an unknown version"}`);
  }
  const downloaded = installedPlugin(context, name, wanted);
  if (downloaded !== undefined) {
    // The folder's name says what was asked for; what lies there may have been put there by hand.
    const version = (await pluginVersion(downloaded, "ResourceProvider", context.env)) ?? wanted;
    return { name: program, version, way: "downloaded", location: downloaded };
  }
  const tooOld = unfit.length > 0 ? ` Too old: ${unfit.join(", ")}.` : "";
  const remedy = `Run \`pulumi plugin install resource ${name} ${wanted}\`.${tooOld}`;
  return { name: program, way: "missing", remedy };
}

/** Plugins that only some stacks need, and that have no stand-in: the CLI downloads them when such a stack is deployed. */
export type CloudPlugin = "cloudflare" | "github";

export const inspectCloudPlugins = async (
  context: ToolchainContext,
  names: readonly CloudPlugin[],
): Promise<PartStatus[]> => await Promise.all(names.map((name) => inspectOfficial(context, name)));

/** The plugins that every stack uses. */
export const PLUGIN_PARTS: readonly PulumiPart[] = [
  pluginPart({
    name: "command",
    versionFile: "main.go",
    minutes: 1,
    limits: [
      "it has local.Command without assetPaths and archivePaths, and remote.Command without a proxy: using anything else fails with an error that says so",
    ],
  }),
  pluginPart({
    name: "random",
    versionFile: "info/info.go",
    generator: "./cmd/tfgen",
    minutes: 2,
    limits: [],
  }),
  pluginPart({
    name: "docker",
    versionFile: "info/info.go",
    generator: "./cmd/tfgen",
    minutes: 3,
    limits: [
      "it is built around an older upstream, without docker.Image, docker.BuildxBuilder and properties added since " +
        "(cpuPeriod, cpuQuota, memoryReservation, platform, ...), and its services have what the stack's need: using one fails with an error that names it",
    ],
  }),
];

/** The version that the npm package asks for. */
function wantedVersion(name: string): string {
  const path = join(REPOSITORY_ROOT, "node_modules", "@pulumi", name, "package.json");
  const { pulumi } = JSON.parse(readFileSync(path, "utf8")) as { pulumi: { version: string } };
  return pulumi.version;
}

/** A plugin that the CLI has installed. One that is still being installed has a .partial file beside it. */
function installedPlugin(context: ToolchainContext, name: string, version: string): string | undefined {
  const home = context.env.PULUMI_HOME || join(context.env.HOME || homedir(), ".pulumi");
  const folder = join(home, "plugins", `resource-${name}-v${version}`);
  const location = join(folder, `pulumi-resource-${name}`);
  return isExecutable(location) && !existsSync(`${folder}.partial`) ? location : undefined;
}

/** False where the download failed. The caller then builds a stand-in. */
async function download(context: ToolchainContext, name: string): Promise<boolean> {
  const version = wantedVersion(name);
  const cli = await pulumiPart.ensure(context);
  if (!cli.location) return false;
  const { location } = cli;
  const { code, tail } = await context.report.step(
    `Downloading the Pulumi plugin ${name} ${version}`,
    (progress) =>
      run(location, ["plugin", "install", "resource", name, version], {
        env: quiet(context),
        timeoutMs: 10 * 60_000,
        onLine: progress,
      }),
  );
  if (code === 0) return true;
  context.report.warn(
    `The plugin ${name} ${version} could not be downloaded. Building a stand-in instead.\n${indent(tail.slice(-5))}`,
  );
  return false;
}
