/**
 * The official images that have a stand-in here. A recipe is a folder with a Dockerfile; this file adds what a Dockerfile
 * cannot say.
 */
import { join } from "node:path";
import { MONITORING } from "./monitoring.ts";
import type { Recipe } from "./recipe.ts";
import { splitTag, tagCovers, type ImageName } from "./names.ts";

export type { Recipe } from "./recipe.ts";

/** A recipe on trixie fits Debian's variants. Alpine's variants have other paths, other ids and another C library. */
const variants = new Set(["", "trixie", "slim", "trixie-slim", "bookworm", "bookworm-slim"]);

/** Node's version where the tag is only "24": the one that this repository runs on. */
const NODE_VERSION = "24.21.0";

const nodeVersion = (version: string): string => (tagCovers(version, NODE_VERSION) ? NODE_VERSION : version);

/** The folder of a repository's name. */
export function recipeFolder(repository: string): string {
  return join(import.meta.dirname, repository);
}

/** The folder with a recipe's Dockerfile. */
export const folderOf = ({ folder, repository }: Recipe): string => recipeFolder(folder ?? repository);

/** True when what was built is what the tag asked for. */
export const isWanted = ({ nearVersion }: Recipe, wanted: string, version: string): boolean =>
  nearVersion ? tagCovers(/^v?\d+/.exec(wanted)?.[0] ?? wanted, version) : tagCovers(wanted, version);

export const RECIPES: readonly Recipe[] = [
  ...MONITORING,
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
    repository: "postgres",
    folder: "postgres-18",
    files: ["postgres/docker-entrypoint.sh"],
    offers: "18",
    takes: (version) => tagCovers("18", version),
    packages: ["postgresql-18"],
    lacks: [
      "gosu",
      "users other than root and 999 (no nss-wrapper)",
      "the packages of apt.postgresql.org",
      "a base of trixie alone (PostgreSQL and its libraries are from forky)",
    ],
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
    repository: "certbot/dns-cloudflare",
    offers: "v5",
    takes: (version) => tagCovers("5", version.replace(/^v/, "")),
    nearVersion: true,
    packages: ["certbot", "python3-certbot-dns-cloudflare"],
    lacks: ["the very version (it has Debian's newest)", "a base of Alpine Linux"],
    smoke: {
      run: ["--entrypoint", "sleep"],
      command: ["60"],
      ready: ["certbot", "plugins"],
      version: ["certbot", "--version"],
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
  const recipes =
    image.registry === undefined ? RECIPES.filter((one) => one.repository === image.repository) : [];
  if (recipes.length === 0) return { reason: `there is no stand-in for ${image.written}` };
  const { version, variant } = splitTag(image.tag);
  if (!variants.has(variant)) {
    return { reason: `there is no stand-in for the variant "${variant}" of ${image.repository}` };
  }
  const recipe = recipes.find((one) => one.takes(version));
  if (recipe === undefined) {
    const offers = recipes.map((one) => one.offers).join(", ");
    return { reason: `the stand-in for ${image.repository} offers version ${offers}, not "${version}"` };
  }
  return { recipe, version };
}

/** The images that have a stand-in, for messages. */
export function standInsOffered(): string {
  return RECIPES.map((recipe) => `${recipe.repository}:${recipe.offers}`).join("; ");
}
