/** Which images the engine has, and which of them are stand-ins. */
import type { DockerCli } from "../../host/docker-cli.ts";
import type { PartStatus } from "../../host/part.ts";

/** Labels of a stand-in: the hash of its recipe, and what a user wants to know. */
export const LABEL = "io.omniai.standin";
export const LABEL_VERSION = "io.omniai.standin.version";
export const LABEL_PACKAGES = "io.omniai.standin.packages";
/** The repository that a stand-in was made for. Images that are built on it inherit its labels, but are not stand-ins. */
export const LABEL_NAME = "io.omniai.standin.name";

export interface PresentImage {
  readonly id: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** The image with this name. Undefined when the engine does not have it. */
export async function lookUp(docker: DockerCli, name: string): Promise<PresentImage | undefined> {
  const answer = await docker.run(["image", "inspect", "--format", "{{.Id}} {{json .Config.Labels}}", name]);
  if (answer.code !== 0) return undefined;
  const [, id = "", labels = ""] = /^(\S+) (.*)$/m.exec(answer.stdout) ?? [];
  return { id, labels: readLabels(labels) };
}

function readLabels(json: string): Record<string, string> {
  try {
    const said: unknown = JSON.parse(json);
    if (typeof said !== "object" || said === null) return {};
    return Object.fromEntries(
      Object.entries(said).filter((entry): entry is [string, string] => typeof entry[1] === "string"),
    );
  } catch {
    return {};
  }
}

/** The hash of a stand-in's recipe. Undefined for an image that is not a stand-in for this repository. */
export function standInHash(image: PresentImage, repository: string): string | undefined {
  return image.labels[LABEL_NAME] === repository ? image.labels[LABEL] : undefined;
}

/**
 * The name under which a stand-in is kept when the official name goes to another image. Another tag of the same version,
 * or this checkout after another one had the name, takes it from there and builds nothing.
 */
export function keptName(repository: string, hash: string): string {
  return `omniai-standin/${repository}:${hash}`;
}

/** Gives the official name to a stand-in that was built before. False when there is none of a fitting version. */
export async function takeKept(
  docker: DockerCli,
  repository: string,
  hash: string,
  name: string,
  fits: (version: string) => boolean,
): Promise<boolean> {
  const kept = await lookUp(docker, keptName(repository, hash));
  if (kept === undefined || !fits(kept.labels[LABEL_VERSION] ?? "")) return false;
  return (await docker.run(["tag", kept.id, name])).code === 0;
}

/** What a stand-in is and what it lacks, in one line. */
export function standInLimit(name: string, image: PresentImage, lacks: readonly string[]): string {
  const packages = image.labels[LABEL_PACKAGES] ?? "Debian packages";
  return `${name} is a stand-in built here from ${packages}; compared with the official image it lacks ${lacks.join("; ")}.`;
}

export function statusOf(
  name: string,
  image: PresentImage,
  way: PartStatus["way"],
  version: string,
  limit?: string,
): PartStatus {
  return {
    name: `image ${name}`,
    version: image.labels[LABEL_VERSION] ?? version,
    way,
    location: image.id,
    ...(limit === undefined ? {} : { limits: [limit] }),
  };
}
