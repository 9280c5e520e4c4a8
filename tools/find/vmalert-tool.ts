/** vmalert-tool, which tries the alerts: from PATH, else built with Go like the other parts. Only the tests need it. */
import { inspectGo } from "../build/go.ts";
import { buildProgram, builtProgram, requiredVersion, type Recipe } from "../build/pulumi/recipe.ts";
import { ToolchainError, type ToolchainContext } from "../host/part.ts";
import { findOnPath } from "../host/path.mjs";

const MODULE = "github.com/VictoriaMetrics/VictoriaMetrics";
const FOLDER = "../images/victoriametrics/metrics";

const recipe: Recipe = {
  program: "vmalert-tool",
  folder: FOLDER,
  package: `${MODULE}/app/vmalert-tool`,
  version: () => requiredVersion(FOLDER, MODULE),
};

/** @returns the program's path. @throws ToolchainError where it is neither here nor can be built */
export async function ensureVmalertTool(context: ToolchainContext): Promise<string> {
  const [onPath] = findOnPath(recipe.program, context.env, [context.cacheDir]);
  const found = onPath ?? (await builtProgram(context, recipe));
  if (found !== undefined) return found;
  if (context.install) return buildProgram(context, recipe);
  const go = await inspectGo(context);
  throw new ToolchainError(
    "vmalert-tool is missing.",
    `Install vmalert-tool ${await recipe.version()} and put it on PATH${go.way === "missing" ? `, or: ${go.remedy}` : ""}`,
  );
}
