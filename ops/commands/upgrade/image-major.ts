/** Which PostgreSQL an image has, by its own word and not by its name. */
import type Docker from "dockerode";
import { unframe } from "../../engine/container-log.ts";
import { OpsError } from "../../terminal/errors.ts";

/** @throws OpsError for an image that is none of PostgreSQL */
export async function imageMajor(docker: Docker, image: string): Promise<number> {
  const container = await docker.createContainer({
    Image: image,
    Entrypoint: ["postgres", "--version"],
    Cmd: [],
    User: "999:999",
    HostConfig: { NetworkMode: "none", ReadonlyRootfs: true, CapDrop: ["ALL"], PidsLimit: 16 },
  });
  try {
    await container.start();
    await container.wait();
    const said = unframe(await container.logs({ stdout: true, stderr: true, follow: false }));
    const [, major] = /^postgres \(PostgreSQL\) (\d+)/m.exec(said) ?? [];
    if (major !== undefined) return Number(major);
    throw new OpsError(
      `${image} does not say which PostgreSQL it has: ${said.trim()}`,
      "Name an image with the official image's contract: --image NAME.",
    );
  } finally {
    await container.remove({ force: true, v: true });
  }
}
