/** The images that the stack runs: already on the engine, pulled, or replaced by stand-ins. */
import { join } from "node:path";
import { BASE, BASE_LACKS, baseHash, ensureBase } from "../../build/images/base.ts";
import { buildStandIn, recipeHash } from "../../build/images/build.ts";
import { parseImageName, type ImageName } from "../../build/images/names.ts";
import {
  lookUp,
  standInHash,
  standInLimit,
  statusOf,
  takeKept,
  type PresentImage,
} from "../../build/images/present.ts";
import { findRecipe, isWanted, standInsOffered, type Found } from "../../build/images/recipes.ts";
import { dockerAt, type DockerCli } from "../../host/docker-cli.ts";
import { withLock } from "../../host/lock.mjs";
import { ToolchainError, type PartStatus, type ToolchainContext } from "../../host/part.ts";
import { pull, type PullResult } from "./pull.ts";

/** Looks which images the engine has, and changes nothing. */
export async function inspectImages(
  context: ToolchainContext,
  names: readonly string[],
  dockerHost: string,
): Promise<PartStatus[]> {
  const docker = await dockerAt(context, dockerHost);
  return await Promise.all(
    unique(names).map(async (name) => {
      const wanted = describe(name);
      const present = await lookUp(docker, name);
      if (present === undefined) return missing(wanted);
      const status = describePresent(wanted, present);
      if (!isOutdated(wanted, present)) return status;
      return { ...status, remedy: "Its recipe has changed since it was built; npm run up builds it again." };
    }),
  );
}

/**
 * Provides each image on the engine. One that is not there is pulled. Where no registry hands it out, a stand-in with the
 * same name and contract is built, and a warning says so.
 * @param standIns false for a stack that others rely on: what cannot be pulled is then an error.
 */
export async function ensureImages(
  context: ToolchainContext,
  names: readonly string[],
  dockerHost: string,
  standIns = true,
): Promise<PartStatus[]> {
  const docker = await dockerAt(context, dockerHost);
  const wanted = unique(names).map(describe);
  const settled = await Promise.all(wanted.map((one) => statusIfCurrent(docker, one)));
  const lacking = settled.some((status) => status === undefined);
  const statuses = lacking
    ? await withLock(
        join(context.cacheDir, "images", "lock"),
        () => obtainAll(context, docker, wanted, standIns),
        {
          onWait: ({ pid }) =>
            context.report.say(
              `Another run (pid ${pid}) is getting images for this machine; waiting for it.`,
            ),
        },
      )
    : settled.filter((status) => status !== undefined);
  // Said only when one is built. Later `npm run up` names the stand-ins, and `npm run doctor` says what each lacks.
  for (const limit of lacking ? statuses.flatMap((status) => status.limits ?? []) : []) {
    context.report.warn(limit);
  }
  return statuses;
}

/** One run at a time: two would build the same base and the same images side by side. */
async function obtainAll(
  context: ToolchainContext,
  docker: DockerCli,
  wanted: readonly Wanted[],
  standIns: boolean,
): Promise<PartStatus[]> {
  // Registries that did not answer, and why. They are not asked again for the next images.
  const silent = new Map<string, string>();
  const statuses: PartStatus[] = [];
  for (const one of wanted) {
    // Checked again, because the run that held the lock may have got the image.
    statuses.push(
      (await statusIfCurrent(docker, one)) ?? (await obtain(context, docker, one, silent, standIns)),
    );
  }
  return statuses;
}

/** The status of an image on the engine. Undefined where it is missing, or a stand-in made by another recipe. */
async function statusIfCurrent(docker: DockerCli, wanted: Wanted): Promise<PartStatus | undefined> {
  const image = await lookUp(docker, wanted.name.written);
  return image === undefined || isOutdated(wanted, image) ? undefined : describePresent(wanted, image);
}

interface Wanted {
  readonly name: ImageName;
  readonly found: Found;
  /** True for the base of the stand-ins, which has no recipe with a Dockerfile. */
  readonly isBase: boolean;
}

function describe(name: string): Wanted {
  const image = parseImageName(name);
  return { name: image, found: findRecipe(image), isBase: name === BASE };
}

function isOutdated(wanted: Wanted, image: PresentImage): boolean {
  const made = standInHash(image, wanted.name.repository);
  if (made === undefined) return false;
  if (wanted.isBase) return made !== baseHash();
  const { found } = wanted;
  return found.recipe !== undefined && made !== recipeHash(found.recipe, found.version);
}

function describePresent(wanted: Wanted, image: PresentImage): PartStatus {
  const { written, repository, tag } = wanted.name;
  if (standInHash(image, repository) === undefined) return statusOf(written, image, "path", tag);
  const lacks = wanted.isBase ? BASE_LACKS : (wanted.found.recipe?.lacks ?? []);
  return statusOf(written, image, "built", tag, standInLimit(written, image, lacks));
}

function missing(wanted: Wanted): PartStatus {
  const { written } = wanted.name;
  return {
    name: `image ${written}`,
    way: "missing",
    remedy: `npm run up gets it; by hand: docker pull ${written}.`,
  };
}

async function obtain(
  context: ToolchainContext,
  docker: DockerCli,
  wanted: Wanted,
  silent: Map<string, string>,
  standIns: boolean,
): Promise<PartStatus> {
  const { name } = wanted;
  const old = await lookUp(docker, name.written);
  const outdated = old !== undefined;
  // The name belongs to the stand-in of another checkout's recipe. Where ours is still here, nothing is installed.
  if (standIns && outdated && (await takeOwn(docker, wanted))) {
    const own = await lookUp(docker, name.written);
    if (own !== undefined) return describePresent(wanted, own);
  }
  // What is there serves the stack already. Another recipe is no reason to stop who relies on it.
  const keep = (reason: string): PartStatus | undefined => {
    if (standIns || old === undefined) return undefined;
    context.report.warn(
      `The stand-in for ${name.written} on the engine is of another recipe, and it stays: ${reason}.`,
    );
    return describePresent(wanted, old);
  };
  if (!context.install) {
    const kept = keep("with --no-install nothing is pulled");
    if (kept !== undefined) return kept;
    throw new ToolchainError(
      outdated
        ? `The stand-in for ${name.written} on the engine was built by an older recipe.`
        : `The image ${name.written} is not on the engine.`,
      `Pull it (docker pull ${name.written}), or leave --no-install out.`,
    );
  }
  const registry = name.registry ?? "docker.io";
  const known = silent.get(registry);
  const result: PullResult =
    known === undefined
      ? await context.report.step(`Pulling ${name.written}`, async (progress) => {
          const pulled = await pull(docker, name, progress);
          if (!pulled.pulled) progress(pulled.detail);
          return pulled;
        })
      : { pulled: false, why: "unreachable", detail: known };
  if (!result.pulled) {
    const kept = keep(`it cannot be pulled (${result.detail})`);
    if (kept !== undefined) return kept;
    if (result.why === "failed" || (!standIns && result.why !== "unknown"))
      throw notPulled(name, result, outdated);
    await standIn(context, docker, wanted, result);
    if (result.why === "unreachable") silent.set(registry, result.detail);
  }
  const image = await lookUp(docker, name.written);
  if (image === undefined) {
    throw new ToolchainError(
      `The image ${name.written} is not on the engine although it was just ${result.pulled ? "pulled" : "built"}.`,
      "Another program may have removed it. Run this again.",
    );
  }
  return result.pulled
    ? statusOf(name.written, image, "downloaded", name.tag)
    : describePresent(wanted, image);
}

type Failure = Exclude<PullResult, { pulled: true }>;

const whys: Readonly<Record<Failure["why"], string>> = {
  refused: "The registry refuses it",
  unreachable: "No container registry answers",
  unknown: "The registry does not have it",
  failed: "The pull failed",
};

/**
 * A registry that is over its limit or away for a minute is no reason to run something else in production, and an engine that
 * cannot take an image is none anywhere.
 */
function notPulled(
  { written, registry, repository, tag }: ImageName,
  { why, detail }: Failure,
  outdated: boolean,
): ToolchainError {
  const host = registry ?? "docker.io";
  const there = outdated
    ? `The stand-in for ${written} on the engine is of another recipe, and the image itself`
    : `The image ${written} is not on the engine and`;
  const what = `${there} cannot be pulled. ${whys[why]} (${detail}).`;
  if (why === "failed")
    return new ToolchainError(
      what,
      "Correct what the engine says (a full disk: docker image prune; be careful with volumes, which hold data) and run this again; or load the image on the engine (docker load).",
    );
  const mirror = `mirror.example.org/${registry === undefined && !repository.includes("/") ? "library/" : ""}${repository}:${tag}`;
  return new ToolchainError(
    `${what} Stand-ins are built only for stacks of the environment dev.`,
    `${
      why === "refused"
        ? `Log in (docker login${registry === undefined ? "" : ` ${registry}`}) or wait until ${host} lets this address pull again`
        : `Try again when ${host} can be reached`
    }; or name a mirror in the stack's config (omniai:registryMirror for all of Docker Hub's, or in the key of this image, such as ${mirror}); or load the image on the engine (docker load).`,
  );
}

async function standIn(
  context: ToolchainContext,
  docker: DockerCli,
  wanted: Wanted,
  failure: Failure,
): Promise<void> {
  const { name, found } = wanted;
  if (failure.why === "unknown") {
    throw new ToolchainError(
      `The registry has no image ${name.written}: ${failure.detail}.`,
      "Correct the image's name in the stack's config.",
    );
  }
  const line = `${whys[failure.why]} (${name.written}: ${failure.detail}).`;
  // Who is over a limit wants to know it; that there is no registry is how some machines are.
  if (failure.why === "refused") context.report.warn(`${line} A stand-in takes its place.`);
  else context.report.say(line);
  if (wanted.isBase) {
    await ensureBase(context, docker);
    return;
  }
  if (found.recipe === undefined) {
    throw new ToolchainError(
      `The image ${name.written} is not on the engine and cannot be pulled (${failure.detail}), and ${found.reason}.`,
      `Connect this machine to a container registry, load the image (docker load), or use an image that has a stand-in (${standInsOffered()}).`,
    );
  }
  if (await takeOwn(docker, wanted)) return;
  const base = await ensureBase(context, docker);
  await buildStandIn(context, docker, name, found.recipe, found.version, base);
}

/** Takes the stand-in of this checkout's recipe, where it was built before, under any tag. */
async function takeOwn(docker: DockerCli, wanted: Wanted): Promise<boolean> {
  const { name, found, isBase } = wanted;
  if (isBase) return await takeKept(docker, "debian", baseHash(), name.written, () => true);
  if (found.recipe === undefined) return false;
  const hash = recipeHash(found.recipe, found.version);
  const { recipe } = found;
  const fits = (version: string): boolean => isWanted(recipe, found.version, version);
  return await takeKept(docker, found.recipe.repository, hash, name.written, fits);
}

function unique(names: readonly string[]): string[] {
  return [...new Set(names)];
}
