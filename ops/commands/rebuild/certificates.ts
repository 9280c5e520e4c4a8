/** The account and the certificates of an ACME authority, brought to where a stack that is not there yet will look for them. */
import type Docker from "dockerode";
import {
  certificatesVolume,
  COPY_FILE,
  copyVolumeLabels,
  copyVolumeName,
  owners,
} from "../../../infra/components/certificates/copy-volume.ts";
import { packTar } from "../../../infra/resources/archive.ts";
import { STACK_LABEL } from "../../../infra/resources/labels.ts";
import { unlessGone } from "../../engine/connection.ts";
import { askOnce, givenFor } from "../../engine/one-off-room.ts";
import { createOfAnyImage, readContainerFile } from "../../engine/volume-file.ts";
import { signals } from "../../stack/this-process.ts";
import { OpsError } from "../../terminal/errors.ts";
import { showEvents } from "../backup/progress.ts";
import type { Source } from "./copies.ts";

/** @returns undefined where the copy has none */
export async function readCertificates(
  { docker, bucket, image }: Source,
  copy: string,
): Promise<Buffer | undefined> {
  signals.begin({ title: "reading the certificates out of the bucket" });
  const { content } = await askOnce<{ content: string | null }>(docker, {
    image,
    ...givenFor(bucket),
    args: ["certificates", "--copy", copy],
    onEvent: showEvents(),
  });
  return content === null ? undefined : Buffer.from(content, "base64");
}

/**
 * Puts them into the volume from which the room takes them where it has no account (components/certificates/copy.ts). The deploy
 * that comes finds the volume by its name. Where a room has run, and so has its own volume, what it has written there is newer, and
 * stays: a rebuild that was broken off after its deploy had begun goes on beside it.
 * @param bringImage is called when the engine has no image to make a container with, and brings one. @throws OpsError
 */
export async function putCertificates(
  docker: Docker,
  stack: string,
  content: Buffer,
  bringImage: () => Promise<void> = () => Promise.resolve(),
): Promise<void> {
  const name = copyVolumeName(stack);
  const labels = copyVolumeLabels(stack);
  await docker.createVolume({ Name: name, Labels: labels });
  const options = {
    Cmd: ["-"],
    Labels: { [STACK_LABEL]: stack },
    NetworkDisabled: true,
    HostConfig: { Binds: [`${name}:/copy:nocopy`], NetworkMode: "none" },
  };
  let container = await createOfAnyImage(docker, options);
  if (container === undefined) {
    await bringImage();
    container = await createOfAnyImage(docker, options);
  }
  if (container === undefined)
    throw new OpsError(
      `The certificates of stack ${stack} could not be put into volume ${name}: its engine has no image to make a container with.`,
      "Bring any image to that engine, for example: docker pull debian:trixie-slim",
    );
  try {
    if (
      (await readContainerFile(container, `/copy/${COPY_FILE}`)) !== undefined &&
      (await unlessGone(docker.getVolume(certificatesVolume(stack)).inspect())) !== undefined
    )
      return;
    const archive = await packTar({ [COPY_FILE]: { content, mode: 0o440 } }, owners);
    await container.putArchive(archive, { path: "/copy" });
  } finally {
    await unlessGone(container.remove({ force: true, v: true }));
  }
}
