/** Builds a program from a Go module beside this file, once for each recipe. */
import { cp, mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { cachedFolder, ensureCached, type CacheKey } from "../../host/cache.ts";
import type { ToolchainContext } from "../../host/part.ts";
import { isExecutable } from "../../host/path.mjs";
import { goBuild, runGo } from "../go.ts";
import { hashFolder } from "../hash.ts";

/** How a program is built from a Go module beside this file. */
export interface Recipe {
  /** The program's name, and the name of its folder in the cache. */
  readonly program: string;
  /** The folder with go.mod, beside this file. */
  readonly folder: string;
  /** What to build. */
  readonly package: string;
  readonly version: () => Promise<string>;
  /** The program in the module that writes the schema that is compiled in, where there is one. */
  readonly generator?: string;
  /** The linker variable that gets the version, where there is one. */
  readonly versionVariable?: string;
}

/** The program in the cache. Undefined when it has not been built. */
export async function builtProgram(context: ToolchainContext, recipe: Recipe): Promise<string | undefined> {
  const path = join(cachedFolder(context.cacheDir, await keyOf(recipe)), "bin", recipe.program);
  return isExecutable(path) ? path : undefined;
}

/** Builds the program unless the cache has it, and returns its path. */
export async function buildProgram(context: ToolchainContext, recipe: Recipe): Promise<string> {
  const key = await keyOf(recipe);
  const folder = await ensureCached(context.cacheDir, key, context.report, (unfinished) =>
    context.report.step(`Building ${recipe.program} ${key.version} with Go`, async (progress) => {
      // The build works on a copy, so that generated files do not end up in the repository.
      const module = join(unfinished, "source");
      await cp(join(import.meta.dirname, recipe.folder), module, { recursive: true });
      if (recipe.generator) {
        const args = ["run", "-v", "-trimpath", "-buildvcs=false", recipe.generator, "schema"];
        await mkdir(join(unfinished, "schema"));
        await runGo(
          context,
          recipe.program,
          module,
          [...args, "--skip-docs", "--skip-examples", "--out", join(unfinished, "schema")],
          progress,
        );
        await cp(join(unfinished, "schema"), module, { recursive: true });
      }
      const variables = recipe.versionVariable ? { [recipe.versionVariable]: key.version } : {};
      const output = join(unfinished, "bin", recipe.program);
      await goBuild(
        context,
        { part: recipe.program, module, package: recipe.package, output, variables },
        progress,
      );
      await rm(module, { recursive: true, force: true });
      await rm(join(unfinished, "schema"), { recursive: true, force: true });
    }),
  );
  return join(folder, "bin", recipe.program);
}

/** The version of a module that a recipe's go.mod requires, without the v. */
export async function requiredVersion(folder: string, module: string): Promise<string> {
  const text = await readFile(join(import.meta.dirname, folder, "go.mod"), "utf8");
  const line = text.split("\n").find((candidate) =>
    candidate
      .replace(/^require/, "")
      .trim()
      .startsWith(`${module} v`),
  );
  const version = line && /\sv(\S+)/.exec(line)?.[1];
  if (!version)
    throw new Error(`tools/build/pulumi/${folder}/go.mod does not require ${module}: put it back.`);
  return version;
}

/** The version constant in a recipe's source, which is the only place that has it. */
export async function versionConstant(folder: string, file: string): Promise<string> {
  const text = await readFile(join(import.meta.dirname, folder, file), "utf8");
  const version = /^const [Vv]ersion = "([^"]+)"/m.exec(text)?.[1];
  if (!version)
    throw new Error(`tools/build/pulumi/${folder}/${file} has no constant "version": put it back.`);
  return version;
}

async function keyOf(recipe: Recipe): Promise<CacheKey> {
  const { platform, arch } = process;
  const folder = join(import.meta.dirname, recipe.folder);
  const hash = hashFolder(folder, { package: recipe.package, platform, arch });
  return { part: recipe.program, version: await recipe.version(), recipe: hash };
}
