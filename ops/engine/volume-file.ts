/** Reads a small file of a volume on the engine, wherever that is: nothing is started, and no folder of its machine is opened. */
import { text } from "node:stream/consumers";
import type Docker from "dockerode";
import { extract, type Header } from "tar-stream";
import { STACK_LABEL } from "../../infra/resources/labels.ts";
import { OpsError } from "../terminal/errors.ts";
import { unlessGone } from "./connection.ts";

export interface VolumeFile {
  readonly stack: string;
  readonly volume: string;
  /** Within the volume. */
  readonly path: string;
}

/**
 * @param bringImage is called when the engine has no image to look with, and brings one.
 * @returns undefined when there is no such volume, or no such file in it
 * @throws OpsError when nothing on the engine can show what the volume has: that is not the same as nothing being in it
 */
export async function readVolumeFile(
  docker: Docker,
  { stack, volume, path }: VolumeFile,
  bringImage: () => Promise<void> = () => Promise.resolve(),
): Promise<string | undefined> {
  const [holder] = await docker.listContainers({ all: true, filters: { volume: [volume] } });
  const folder = holder?.Mounts.find(({ Name }) => Name === volume)?.Destination;
  if (holder !== undefined && folder !== undefined) {
    const container = docker.getContainer(holder.Id);
    const content = await readContainerFile(container, `${folder}/${path}`);
    // A container that ended meanwhile has no files: that says nothing of the volume, so another way is taken.
    if (content !== undefined || (await unlessGone(container.inspect())) !== undefined) return content;
  }
  // A container that mounts a volume that is not there would make it.
  if ((await unlessGone(docker.getVolume(volume).inspect())) === undefined) return undefined;
  const options = {
    Cmd: ["-"],
    // One that a killed run leaves behind is cleared like everything of the stack that the state does not know.
    Labels: { [STACK_LABEL]: stack },
    NetworkDisabled: true,
    // "nocopy": an empty volume stays empty.
    HostConfig: { Binds: [`${volume}:/omniai-volume:ro,nocopy`], NetworkMode: "none" },
  };
  let container = await createOfAnyImage(docker, options);
  if (container === undefined) {
    await bringImage();
    container = await createOfAnyImage(docker, options);
  }
  if (container === undefined) throw cannotLook(stack, volume);
  try {
    const content = await readContainerFile(container, `/omniai-volume/${path}`);
    // Another run may have cleared the container away: then the file was not missing, and this throws.
    if (content === undefined) await container.inspect();
    return content;
  } finally {
    // With the volumes that the image declares for itself; the one that was looked at has a name, and stays.
    await unlessGone(container.remove({ force: true, v: true }));
  }
}

/**
 * A container that is only created runs nothing of its image, so any image will do.
 *
 * @returns undefined when the engine has no image. One that another run removes after it was listed is passed over.
 */
export async function createOfAnyImage(
  docker: Docker,
  options: Docker.ContainerCreateOptions,
): Promise<Docker.Container | undefined> {
  for (const { Id } of await docker.listImages()) {
    const container = await unlessGone(docker.createContainer({ ...options, Image: Id }));
    if (container !== undefined) return container;
  }
  return undefined;
}

const cannotLook = (stack: string, volume: string): OpsError =>
  new OpsError(
    `Nobody can look into volume ${volume} of stack ${stack}: its engine has no image to make a container with. ` +
      "What is in the volume is not known; that does not mean that it is empty. Nothing was changed.",
    "Bring any image to that engine, for example: docker pull debian:trixie-slim\n  Then run the command again.",
  );

/**
 * Goes through what a container, running or not, has at a path; its volumes count.
 * @param look is called with each entry until it gives something. @returns what it gave; undefined also where nothing is there
 */
async function firstAt(
  container: Docker.Container,
  path: string,
  look: (
    entry: AsyncIterable<unknown> & { readonly header: Header },
  ) => string | undefined | Promise<string | undefined>,
): Promise<string | undefined> {
  const archive = await unlessGone(container.getArchive({ path }));
  if (archive === undefined) return undefined;
  const tar = extract();
  archive.on("error", (error: Error) => tar.destroy(error)).pipe(tar);
  let found: string | undefined;
  for await (const entry of tar) {
    found ??= await look(entry);
    entry.resume();
  }
  return found;
}

/** A file of a container. Undefined when it is not there. */
export const readContainerFile = (container: Docker.Container, path: string): Promise<string | undefined> =>
  firstAt(container, path, (entry) => (entry.header.type === "file" ? text(entry) : undefined));

/** Where a link of a container leads. Undefined when it is not there. */
export const readContainerLink = (container: Docker.Container, path: string): Promise<string | undefined> =>
  firstAt(container, path, ({ header }) => header.linkname ?? undefined);
