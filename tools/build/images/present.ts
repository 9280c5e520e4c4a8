/** What images the engine has, and which of them were made here. */
import type { DockerCli } from "../../host/docker-cli.ts";
import type { PartStatus } from "../../host/part.ts";

/** Labels of a stand-in: the hash of its recipe, and what a person wants to know of it. */
export const LABEL = "io.omniai.standin";
export const LABEL_VERSION = "io.omniai.standin.version";
export const LABEL_PACKAGES = "io.omniai.standin.packages";
/** The name that a stand-in was made for: images built on a stand-in inherit its labels, but are not one. */
export const LABEL_NAME = "io.omniai.standin.name";

export interface PresentImage {
  readonly id: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** The image of a name, if the engine has it. */
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

/** The hash of the recipe that a stand-in was made by; undefined for an image that is no stand-in of this repository. */
export function standInHash(image: PresentImage, repository: string): string | undefined {
  return image.labels[LABEL_NAME] === repository ? image.labels[LABEL] : undefined;
}

/**
 * The name under which a stand-in stays, whatever becomes of the official name: another tag of the same version, or
 * another checkout with another recipe, takes it from there and builds nothing.
 */
export function keptName(repository: string, hash: string): string {
  return `omniai-standin/${repository}:${hash}`;
}

/** Gives the official name to a stand-in that was built before. False when there is none that the name may stand for. */
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

/** What a stand-in says of itself, in one line. */
export function standInLimit(name: string, image: PresentImage, lacks: readonly string[]): string {
  const packages = image.labels[LABEL_PACKAGES] ?? "Debian packages";
  return `${name} is a stand-in built here from ${packages}; against the official image it lacks ${lacks.join("; ")}.`;
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
