/** The language host that comes with the Pulumi CLI, or is built. */
import { buildProgram, builtProgram, requiredVersion, type Recipe } from "../../build/pulumi/recipe.ts";
import { ToolchainError, type PartStatus } from "../../host/part.ts";
import { findOnPath } from "../../host/path.mjs";
import { besideCli, pulumiPart, requireGo } from "./cli.ts";
import type { PulumiPart } from "./part.ts";
import { pluginVersion } from "./plugin-version.ts";

const PROGRAM = "pulumi-language-nodejs";
const SDK_MODULE = "github.com/pulumi/pulumi/sdk/v3";

const recipe: Recipe = {
  program: PROGRAM,
  folder: "language-nodejs",
  package: `${SDK_MODULE}/nodejs/cmd/${PROGRAM}`,
  version: () => requiredVersion("language-nodejs", SDK_MODULE),
  versionVariable: `${SDK_MODULE}/go/common/version.Version`,
};

const LIMITS = [
  "it is older than the CLI: it cannot start policy packs that are a folder (ours is a program), and ignores newer runtime options",
];

/** The language host runs a Node.js program for the CLI. It comes with the official CLI. */
export const languagePart: PulumiPart = {
  name: PROGRAM,
  inspect: async (context) => {
    const cli = await pulumiPart.inspect(context);
    const version = (location: string): Promise<string | undefined> =>
      pluginVersion(location, "LanguageRuntime", context.env);
    const beside = besideCli(cli, PROGRAM);
    if (beside) return { name: PROGRAM, version: await version(beside), way: cli.way, location: beside };
    const [onPath] = findOnPath(PROGRAM, context.env, [context.cacheDir]);
    if (onPath) return { name: PROGRAM, version: await version(onPath), way: "path", location: onPath };
    const built = await builtProgram(context, recipe);
    return built
      ? builtStatus(await recipe.version(), built)
      : { name: PROGRAM, way: "missing", remedy: "It comes with the official Pulumi CLI. Install that." };
  },
  plan: async (context, status, official) => {
    // A CLI that is downloaded brings its own language host.
    const cli = await pulumiPart.inspect(context);
    if (status.way !== "missing" || (official && cli.way === "missing")) return undefined;
    await requireGo(context, "The Node.js language host");
    return { what: `build the Node.js language host ${await recipe.version()} with Go`, minutes: 1 };
  },
  ensure: async (context) => {
    const status = await languagePart.inspect(context);
    if (status.way !== "missing") return status;
    if (!context.install) throw new ToolchainError(`${PROGRAM} is missing.`, status.remedy ?? "");
    return builtStatus(await recipe.version(), await buildProgram(context, recipe));
  },
};

function builtStatus(version: string, location: string): PartStatus {
  return { name: PROGRAM, version, way: "built", location, limits: LIMITS };
}
