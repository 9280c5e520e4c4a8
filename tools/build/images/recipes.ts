/**
 * The official images that have a stand-in here. A recipe is a folder with a Dockerfile; this file adds what a Dockerfile
 * cannot say.
 */
import { join } from "node:path";
import { splitTag, tagCovers, type ImageName } from "./names.ts";

export interface Recipe {
  /** The official image's repository, and the folder's name. */
  readonly repository: string;
  /** Which versions are offered, for messages. */
  readonly offers: string;
  /** True for a tag's version that the recipe may produce. What Debian really had is compared after the build. */
  readonly takes: (version: string) => boolean;
  /** The Debian packages whose versions are told to the user. */
  readonly packages: readonly string[];
  /** npm packages for the build context, fetched with the machine's own npm, where the main part is no Debian package. */
  readonly npmPackages?: (version: string) => readonly string[];
  readonly buildArgs?: (version: string) => Readonly<Record<string, string>>;
  /** What it lacks compared with the official image. */
  readonly lacks: readonly string[];
  /** The smoke test: a container that is started like this must pass `ready`, and `version` must print its version. */
  readonly smoke: {
    readonly run: readonly string[];
    readonly command: readonly string[];
    readonly ready: readonly string[];
    readonly version: readonly string[];
  };
}

/** A recipe on trixie fits Debian's variants. Alpine's variants have other paths, other ids and another C library. */
const variants = new Set(["", "trixie", "slim", "trixie-slim", "bookworm", "bookworm-slim"]);

/** Node's version where the tag is only "24": the one that this repository runs on. */
const NODE_VERSION = "24.21.0";

const nodeVersion = (version: string): string => (tagCovers(version, NODE_VERSION) ? NODE_VERSION : version);

/** The folder with a recipe's Dockerfile. */
export function recipeFolder(repository: string): string {
  return join(import.meta.dirname, repository);
}

export const RECIPES: readonly Recipe[] = [
  {
    repository: "postgres",
    offers: "17",
    takes: (version) => tagCovers("17", version),
    packages: ["postgresql-17"],
    lacks: ["gosu", "users other than root and 999 (no nss-wrapper)", "the packages of apt.postgresql.org"],
    smoke: {
      run: ["--env", "POSTGRES_PASSWORD=smoke"],
      command: [],
      ready: ["psql", "-h", "127.0.0.1", "-U", "postgres", "-qtc", "SELECT 1"],
      version: ["postgres", "--version"],
    },
  },
  {
    repository: "redis",
    offers: "8",
    takes: (version) => tagCovers("8", version),
    packages: ["redis-server"],
    lacks: ["the modules that come with Redis 8 (search, JSON, time series, probabilistic types)"],
    smoke: {
      run: [],
      command: ["--appendonly", "yes"],
      ready: ["sh", "-c", '[ "$(redis-cli ping)" = PONG ]'],
      version: ["redis-server", "--version"],
    },
  },
  {
    repository: "nginx",
    offers: "1.30",
    takes: (version) => tagCovers("1.30", version),
    packages: ["nginx"],
    lacks: [
      "the modules stream, mail, geoip, image_filter, xslt and njs",
      "the start scripts for templates, IPv6 and worker tuning",
      "a base of trixie alone (nginx and its libraries are from forky)",
    ],
    smoke: {
      run: [],
      command: [],
      ready: ["curl", "-fsS", "-o", "/dev/null", "http://127.0.0.1/"],
      version: ["nginx", "-v"],
    },
  },
  {
    repository: "node",
    offers: `24, 24.x.y (24 is ${NODE_VERSION})`,
    takes: (version) => tagCovers(version, NODE_VERSION) || /^24\.\d+\.\d+$/.test(version),
    packages: ["libc6"],
    npmPackages: (version) => [`node-linux-${process.arch}@${nodeVersion(version)}`, "npm@11"],
    buildArgs: (version) => ({ NODE_VERSION: nodeVersion(version) }),
    lacks: ["yarn and corepack", "the compilers of the images without -slim"],
    smoke: {
      run: [],
      command: ["-e", "setInterval(() => {}, 1000)"],
      ready: ["npm", "--version"],
      version: ["node", "--version"],
    },
  },
];

export type Found =
  | { readonly recipe: Recipe; readonly version: string }
  | { readonly recipe?: undefined; readonly reason: string };

/** The recipe for an image, or why there is none. */
export function findRecipe(image: ImageName): Found {
  if (image.digest !== undefined) {
    return {
      reason: `${image.written} is pinned by digest, and no stand-in can have the digest of the official image`,
    };
  }
  const recipe =
    image.registry === undefined ? RECIPES.find((one) => one.repository === image.repository) : undefined;
  if (recipe === undefined) return { reason: `there is no stand-in for ${image.written}` };
  const { version, variant } = splitTag(image.tag);
  if (!variants.has(variant)) {
    return { reason: `there is no stand-in for the variant "${variant}" of ${image.repository}` };
  }
  if (!recipe.takes(version)) {
    return {
      reason: `the stand-in for ${image.repository} offers version ${recipe.offers}, not "${version}"`,
    };
  }
  return { recipe, version };
}

/** The images that have a stand-in, for messages. */
export function standInsOffered(): string {
  return RECIPES.map((recipe) => `${recipe.repository}:${recipe.offers}`).join("; ");
}
