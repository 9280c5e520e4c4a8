/** Builds a stand-in under another name, tries it out, and only then gives it the official name. */
import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import type { DockerCli } from "../../host/docker-cli.ts";
import { ToolchainError, type ToolchainContext } from "../../host/part.ts";
import { run } from "../../host/run.ts";
import { goBuild } from "../go.ts";
import { hashFolder } from "../hash.ts";
import { baseHash } from "./base.ts";
import { check } from "./check.ts";
import { clearLeftovers, forgetOldOnes } from "./leftovers.ts";
import type { ImageName } from "./names.ts";
import { keptName, LABEL, LABEL_NAME, LABEL_PACKAGES, LABEL_VERSION } from "./present.ts";
import { folderOf, isWanted, recipeFolder, type Recipe } from "./recipes.ts";
import { smokeTest } from "./smoke.ts";

/** The hash of everything that a stand-in is made from. */
export function recipeHash(recipe: Recipe, version: string, folder = folderOf(recipe)): string {
  const fetched = recipe.npmPackages?.(version) ?? [];
  const { goProgram, files = [] } = recipe;
  return hashFolder(folder, {
    ...Object.fromEntries(files.map((file) => [file, readFileSync(recipeFolder(file), "utf8")])),
    ...recipe.buildArgs?.(version),
    base: baseHash(),
    fetched: fetched.join(" "),
    ...(goProgram && { go: hashFolder(recipeFolder(goProgram.module), { package: goProgram.package }) }),
  });
}

export async function buildStandIn(
  context: ToolchainContext,
  docker: DockerCli,
  image: ImageName,
  recipe: Recipe,
  version: string,
  base: string,
  folder = folderOf(recipe),
): Promise<void> {
  await clearLeftovers(docker);
  const hash = recipeHash(recipe, version, folder);
  const aside = `omniai-standin-${flat(recipe)}:${process.pid}-${hash}`;
  await context.report.step(
    `Building a stand-in for ${image.written} from ${recipe.goProgram ? "its Go module" : "Debian packages"}`,
    async (progress) => {
      try {
        await withBuildContext(context, recipe, version, folder, progress, async (build) => {
          const args = Object.entries({ ...recipe.buildArgs?.(version), BASE: base }).flatMap(
            ([name, value]) => ["--build-arg", `${name}=${value}`],
          );
          // Without the cache, because a rebuild is meant to get what Debian has today.
          const command = [
            "build",
            "--no-cache",
            "--force-rm",
            ...proxyArgs(docker.env),
            ...args,
            "--tag",
            aside,
            build,
          ];
          check(
            await docker.run(command, { onLine: progress }),
            `The stand-in for ${image.written} could not be built`,
          );
        });
        progress("trying it out");
        const actual = await smokeTest(docker, aside, image, recipe);
        if (!isWanted(recipe, version, actual)) {
          throw new ToolchainError(
            `Debian has ${recipe.repository} ${actual}, which is not "${image.tag}".`,
            `Use an image that Debian has (${recipe.repository}:${recipe.offers}), or connect this machine to a container registry.`,
          );
        }
        await giveName(docker, aside, image, recipe, hash, actual);
        await forgetOldOnes(docker, recipe, hash);
      } finally {
        await docker.run(["image", "rm", "--no-prune", aside]);
      }
    },
  );
}

/** The repository in one word, for a name that is only used here. */
const flat = ({ repository }: Recipe): string => repository.replaceAll("/", "-");

/** The build context is the recipe's folder or, where something from elsewhere belongs in it, a copy with that. */
async function withBuildContext(
  context: ToolchainContext,
  recipe: Recipe,
  version: string,
  folder: string,
  progress: (line: string) => void,
  use: (build: string) => Promise<void>,
): Promise<void> {
  const packages = recipe.npmPackages?.(version) ?? [];
  const { files = [] } = recipe;
  if (packages.length === 0 && files.length === 0 && recipe.goProgram === undefined) {
    await use(folder);
    return;
  }
  const build = mkdtempSync(join(tmpdir(), `omniai-standin-${flat(recipe)}-`));
  try {
    cpSync(folder, build, { recursive: true });
    for (const file of files) cpSync(recipeFolder(file), join(build, basename(file)));
    if (recipe.goProgram) await buildProgram(context, recipe.goProgram, build, progress);
    if (packages.length === 0) {
      await use(build);
      return;
    }
    // The machine's npm and not one in the build, because it knows this machine's registry, proxy and certificates.
    progress(`npm pack ${packages.join(" ")}`);
    const pack = ["pack", "--ignore-scripts", "--pack-destination", build, ...packages];
    const script = context.env["npm_execpath"];
    const isScript = script !== undefined && /\.c?js$/.test(script);
    const [program, first] = isScript ? [process.execPath, [script]] : ["npm", []];
    check(
      await run(program, [...first, ...pack], { env: context.env, onLine: progress, cwd: build }),
      `The npm packages ${packages.join(", ")} could not be fetched`,
    );
    await use(build);
  } finally {
    rmSync(build, { recursive: true, force: true });
  }
}

/** Builds a program into the build context, from a copy of its module. */
async function buildProgram(
  context: ToolchainContext,
  { module, package: path, variables }: NonNullable<Recipe["goProgram"]>,
  build: string,
  progress: (line: string) => void,
): Promise<void> {
  const part = path.slice(path.lastIndexOf("/") + 1);
  const output = join(build, "program");
  await goBuild(context, { part, module: recipeFolder(module), package: path, output, variables }, progress);
}

/** Builds an image without layers on top, for the labels that were not known before, and gives it the name. */
async function giveName(
  docker: DockerCli,
  aside: string,
  image: ImageName,
  recipe: Recipe,
  hash: string,
  version: string,
): Promise<void> {
  const asked = await docker.run([
    "run",
    "--rm",
    "--network",
    "none",
    "--entrypoint",
    "dpkg-query",
    aside,
    "--show",
    "--showformat",
    "${Package} ${Version}\\n",
    ...recipe.packages,
  ]);
  check(asked, `The packages of the stand-in for ${image.written} could not be read`);
  const debian = asked.stdout
    .trim()
    .split("\n")
    .map((line) => `Debian's ${line}`);
  const fetched = [
    ...(recipe.npmPackages?.(version) ?? []).map((one) => `npm's ${one}`),
    ...(recipe.goProgram ? [`the Go module's ${recipe.goProgram.package} ${version}`] : []),
  ];
  const labels = {
    [LABEL]: hash,
    [LABEL_NAME]: recipe.repository,
    [LABEL_VERSION]: version,
    [LABEL_PACKAGES]: [...fetched, ...debian].join(", "),
  };
  const flags = Object.entries(labels).flatMap(([label, value]) => ["--label", `${label}=${value}`]);
  check(
    await docker.run(["build", ...flags, "--tag", keptName(recipe.repository, hash), "-"], {
      input: `FROM ${aside}\n`,
    }),
    `The stand-in for ${image.written} could not be named`,
  );
  check(
    await docker.run(["tag", keptName(recipe.repository, hash), image.written]),
    `The stand-in for ${image.written} could not be named`,
  );
}

/** The proxy of this machine, also for the build. The values come from the environment and stand in no command line. */
function proxyArgs(env: NodeJS.ProcessEnv): string[] {
  const names = ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"];
  return names.filter((name) => (env[name] ?? "") !== "").flatMap((name) => ["--build-arg", name]);
}
