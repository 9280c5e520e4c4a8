/** A program that only the tests need: from PATH, else built with Go like the other parts. */
import { inspectGo } from "../build/go.ts";
import { buildProgram, builtProgram, requiredVersion, type Recipe } from "../build/pulumi/recipe.ts";
import { ToolchainError, type PartStatus, type ToolchainContext } from "../host/part.ts";
import { findOnPath } from "../host/path.mjs";

export interface GoTool {
  readonly name: string;
  inspect(context: ToolchainContext): Promise<PartStatus>;
  /** @returns the program's path. @throws ToolchainError where it is neither here nor can be built */
  ensure(context: ToolchainContext): Promise<string>;
}

/**
 * @param program its name, that of its folder in tools/build, and that of the command in the module.
 * @param versionVariable the linker variable that gets the version.
 * @param pinned the folder in tools/build, where it has another name because several programs are of one module.
 */
export function goTool(program: string, module: string, versionVariable: string, pinned = program): GoTool {
  const folder = `../${pinned}`;
  const recipe: Recipe = {
    program,
    folder,
    package: `${module}/cmd/${program}`,
    version: () => requiredVersion(folder, module),
    versionVariable,
  };
  const tool: GoTool = {
    name: program,
    async inspect(context) {
      const [onPath] = findOnPath(program, context.env, [context.cacheDir]);
      if (onPath) return { name: program, way: "path", location: onPath };
      const version = await recipe.version();
      const location = await builtProgram(context, recipe);
      if (location) return { name: program, version, way: "built", location };
      const go = await inspectGo(context);
      const remedy = `Install ${program} ${version} and put it on PATH${go.way === "missing" ? `, or: ${go.remedy}` : ""}`;
      return { name: program, way: "missing", remedy };
    },
    async ensure(context) {
      const status = await tool.inspect(context);
      if (status.location !== undefined) return status.location;
      if (!context.install) throw new ToolchainError(`${program} is missing.`, status.remedy ?? "");
      return buildProgram(context, recipe);
    },
  };
  return tool;
}
