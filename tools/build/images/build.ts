/** Builds a stand-in under another name, tries it out, and only then gives it the official name. */
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DockerCli } from "../../host/docker-cli.ts";
import { ToolchainError, type ToolchainContext } from "../../host/part.ts";
import { run } from "../../host/run.ts";
import { hashFolder } from "../hash.ts";
import { baseHash } from "./base.ts";
import { check } from "./check.ts";
import { clearLeftovers, forgetOldOnes } from "./leftovers.ts";
import { tagCovers, type ImageName } from "./names.ts";
import { keptName, LABEL, LABEL_NAME, LABEL_PACKAGES, LABEL_VERSION } from "./present.ts";
import { recipeFolder, type Recipe } from "./recipes.ts";
import { smokeTest } from "./smoke.ts";

/** The hash of everything that a stand-in is made from. */
export function recipeHash(
  recipe: Recipe,
  version: string,
  folder = recipeFolder(recipe.repository),
): string {
  const fetched = recipe.npmPackages?.(version) ?? [];
  return hashFolder(folder, { ...recipe.buildArgs?.(version), base: baseHash(), fetched: fetched.join(" ") });
}

export async function buildStandIn(
  context: ToolchainContext,
  docker: DockerCli,
  image: ImageName,
  recipe: Recipe,
  version: string,
  base: string,
  folder = recipeFolder(recipe.repository),
): Promise<void> {
  await clearLeftovers(docker);
  const hash = recipeHash(recipe, version, folder);
  const aside = `omniai-standin-${recipe.repository}:${process.pid}-${hash}`;
  await context.report.step(
    `Building a stand-in for ${image.written} from Debian packages`,
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
        if (!tagCovers(version, actual)) {
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

/** The build context is the recipe's folder or, where archives from npm belong in it, a copy with them. */
async function withBuildContext(
  context: ToolchainContext,
  recipe: Recipe,
  version: string,
  folder: string,
  progress: (line: string) => void,
  use: (build: string) => Promise<void>,
): Promise<void> {
  const packages = recipe.npmPackages?.(version) ?? [];
  if (packages.length === 0) {
    await use(folder);
    return;
  }
  const build = mkdtempSync(join(tmpdir(), `omniai-standin-${recipe.repository}-`));
  try {
    cpSync(folder, build, { recursive: true });
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
  const fetched = (recipe.npmPackages?.(version) ?? []).map((one) => `npm's ${one}`);
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
