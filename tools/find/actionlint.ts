/** actionlint, which checks .github/workflows: from PATH, else built with Go like the other parts. */
import { inspectGo } from "../build/go.ts";
import { buildProgram, builtProgram, requiredVersion, type Recipe } from "../build/pulumi/recipe.ts";
import { ToolchainError, type PartStatus, type ToolchainContext } from "../host/part.ts";
import { findOnPath } from "../host/path.mjs";

const MODULE = "github.com/rhysd/actionlint";
const FOLDER = "../actionlint";

const recipe: Recipe = {
  program: "actionlint",
  folder: FOLDER,
  package: `${MODULE}/cmd/actionlint`,
  version: () => requiredVersion(FOLDER, MODULE),
  versionVariable: `${MODULE}.version`,
};

/** Only the tests need it, so `ensureToolchain` does not provide it. */
export const actionlintPart = {
  name: recipe.program,
  async inspect(context: ToolchainContext): Promise<PartStatus> {
    const [onPath] = findOnPath(recipe.program, context.env, [context.cacheDir]);
    if (onPath) return { name: recipe.program, way: "path", location: onPath };
    const version = await recipe.version();
    const location = await builtProgram(context, recipe);
    if (location) return { name: recipe.program, version, way: "built", location };
    const go = await inspectGo(context);
    const remedy = `Install actionlint ${version} and put it on PATH${go.way === "missing" ? `, or: ${go.remedy}` : ""}`;
    return { name: recipe.program, way: "missing", remedy };
  },
  /** @throws ToolchainError where it is neither here nor can be built */
  async ensure(context: ToolchainContext): Promise<string> {
    const status = await actionlintPart.inspect(context);
    if (status.location !== undefined) return status.location;
    if (!context.install) throw new ToolchainError("actionlint is missing.", status.remedy ?? "");
    return buildProgram(context, recipe);
  },
};
