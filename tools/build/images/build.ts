/** Builds one stand-in aside, tries it out, and only then gives it the official name. */
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ToolchainError, type ToolchainContext } from "../../host/part.ts";
import { socketPath } from "../../host/docker-host.ts";
import { baseHash } from "./base.ts";
import type { DockerCli } from "../../host/docker-cli.ts";
import { hashFolder } from "../hash.ts";
import { tagCovers, type ImageName } from "./names.ts";
import { keptName, LABEL, LABEL_NAME, LABEL_PACKAGES, LABEL_VERSION } from "./present.ts";
import { recipeFolder, type Recipe } from "./recipes.ts";
import { setTimeout as sleep } from "node:timers/promises";
import { isAlive } from "../../host/process.mjs";
import { type RunResult, indent, run } from "../../host/run.ts";

const SMOKE_LABEL = "io.omniai.smoke";
const SMOKE_MS = 60_000;
/** So long the stand-ins of other recipes are kept: another checkout may still use them. */
const KEEP_DAYS = 7;

/** The hash of what a stand-in is made of. */
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
          // No cache: a rebuild is asked for to get what Debian has today.
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
            `Debian has ${recipe.repository} ${actual}, which is no "${image.tag}".`,
            `Name an image that it is (${recipe.repository}:${recipe.offers}), or connect this machine to a container registry.`,
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

/** The recipe's folder is the whole context; where archives from npm belong in it, a copy with them. */
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
    // The machine's npm, not one in the build: it knows this machine's registry, proxy and certificates.
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

/** Starts the image, waits until it answers, and asks its version. */
async function smokeTest(docker: DockerCli, aside: string, image: ImageName, recipe: Recipe): Promise<string> {
  const name = `omniai-smoke-${recipe.repository}-${process.pid}`;
  const { smoke } = recipe;
  try {
    const start = [
      "run",
      "--detach",
      "--name",
      name,
      "--label",
      `${SMOKE_LABEL}=${process.pid}`,
      "--network",
      "none",
    ];
    check(
      await docker.run([...start, ...smoke.run, aside, ...smoke.command]),
      `The stand-in for ${image.written} does not start`,
    );
    const end = Date.now() + SMOKE_MS;
    for (;;) {
      const ready = await docker.run(["exec", name, ...smoke.ready], { timeoutMs: 10_000 });
      if (ready.code === 0) break;
      const state = await docker.run(["inspect", "--format", "{{.State.Running}}", name]);
      if (Date.now() > end || state.stdout.trim() !== "true") {
        const log = await docker.run(["logs", "--tail", "12", name]);
        throw new ToolchainError(
          `The stand-in for ${image.written} was built, but does not answer (${smoke.ready.join(" ")}); it is not used:\n${indent([...ready.tail, ...log.tail])}`,
          "This is a fault of its recipe in tools/build/images: put it right and run this again.",
        );
      }
      await sleep(200);
    }
    const said = await docker.run(["exec", name, ...smoke.version]);
    const version = readVersion(said.tail.join(" "));
    if (said.code !== 0 || version === undefined) {
      throw new ToolchainError(
        `The stand-in for ${image.written} does not tell its version (${smoke.version.join(" ")}):\n${indent(said.tail)}`,
        "This is a fault of its recipe in tools/build/images: put it right and run this again.",
      );
    }
    return version;
  } finally {
    await docker.run(["rm", "--force", "--volumes", name]);
  }
}

/** The first number with a dot in it. */
export function readVersion(text: string): string | undefined {
  return /\d+(?:\.\d+)+/.exec(text)?.[0];
}

/** One more layer-less image on top, with the labels that could not be known before; it gets the name. */
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

/** Removes the stand-ins of recipes that are gone. One that a container or an image stands on is not removed. */
async function forgetOldOnes(docker: DockerCli, recipe: Recipe, hash: string): Promise<void> {
  const before = Date.now() - KEEP_DAYS * 86_400_000;
  const reference = `reference=${keptName(recipe.repository, "*")}`;
  const listed = await docker.run(["images", "--filter", reference, "--format", "{{.Repository}}:{{.Tag}}"]);
  for (const name of listed.stdout.split("\n").filter((line) => line !== "")) {
    if (name === keptName(recipe.repository, hash)) continue;
    const created = await docker.run(["image", "inspect", "--format", "{{.Created}}", name]);
    if (Date.parse(created.stdout.trim()) < before) await docker.run(["image", "rm", name]);
  }
}

/** A machine behind a proxy builds behind it too. The values come from the environment and are in no command line. */
function proxyArgs(env: NodeJS.ProcessEnv): string[] {
  const names = ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"];
  return names.filter((name) => (env[name] ?? "") !== "").flatMap((name) => ["--build-arg", name]);
}

/** Containers and images of runs that were ended half-way. Pids say something only of this machine. */
async function clearLeftovers(docker: DockerCli): Promise<void> {
  if (socketPath(docker.host) === undefined) return;
  const containers = await docker.run([
    "ps",
    "--all",
    "--filter",
    `label=${SMOKE_LABEL}`,
    "--format",
    `{{.Label "${SMOKE_LABEL}"}} {{.ID}}`,
  ]);
  for (const [, pid, id] of containers.stdout.matchAll(/^(\d+) (\S+)$/gm)) {
    if (id !== undefined && !isAlive(Number(pid))) await docker.run(["rm", "--force", "--volumes", id]);
  }
  const images = await docker.run([
    "images",
    "--filter",
    "reference=omniai-standin-*",
    "--format",
    "{{.Repository}}:{{.Tag}}",
  ]);
  for (const [name, pid] of images.stdout.matchAll(/^omniai-standin-\S+:(\d+)-\S+$/gm)) {
    if (!isAlive(Number(pid))) await docker.run(["image", "rm", name]);
  }
}

function check(result: RunResult, what: string): void {
  if (result.code === 0) return;
  throw new ToolchainError(
    `${what}:\n${indent(result.notStarted === undefined ? result.tail : [result.notStarted])}`,
    "Put right what these lines name (a mirror or registry out of reach, a full disk) and run this again.",
  );
}
