/** The images of a stack, from the engine where it is to the one where it goes: what was built there is not built again. */
import type Docker from "dockerode";
import { imageOf } from "../../../infra/components/backend/image.ts";
import { unlessGone } from "../../engine/connection.ts";
import { listContainers } from "../../engine/containers.ts";
import type { Change } from "../../stack/audit.ts";
import { goodVersions, KEPT_VERSIONS } from "../../stack/versions.ts";
import { OpsError } from "../../terminal/errors.ts";

/** The names of those that its containers run, and of those that a rollback goes back to, as far as the engine has them. */
async function namesOf(
  docker: Docker,
  stack: string,
  changes: readonly Change[],
): Promise<Map<string, string>> {
  const ids = new Set<string>();
  for (const { id } of await listContainers(docker, stack)) {
    const info = await unlessGone(docker.getContainer(id).inspect());
    if (info !== undefined) ids.add(info.Image);
  }
  const kept = new Set(
    goodVersions(changes)
      .slice(0, KEPT_VERSIONS)
      .map(({ build }) => imageOf(build)),
  );
  const names = new Map<string, string>();
  for (const { Id, RepoTags } of await docker.listImages())
    for (const tag of RepoTags ?? [])
      if (!tag.startsWith("<none>") && (ids.has(Id) || kept.has(tag))) names.set(tag, Id);
  return names;
}

/** @returns the names of those that it brought. @throws OpsError */
export async function bringImages(
  from: Docker,
  to: Docker,
  stack: string,
  changes: readonly Change[],
): Promise<string[]> {
  const names = await namesOf(from, stack, changes);
  const missing: string[] = [];
  for (const [name, id] of names) {
    const there = await unlessGone(to.getImage(name).inspect());
    if (there?.Id !== id) missing.push(name);
  }
  if (missing.length === 0) return [];
  const query = missing.map((name) => `names=${encodeURIComponent(name)}`).join("&");
  const archive = await new Promise<NodeJS.ReadableStream>((resolve, reject) => {
    from.modem.dial(
      {
        path: `/images/get?${query}&`,
        method: "GET",
        options: {},
        isStream: true,
        statusCodes: { 200: true, 500: "server error" },
      },
      (error: Error | null, stream: unknown) =>
        error ? reject(error) : resolve(stream as NodeJS.ReadableStream),
    );
  });
  // An archive that breaks off would leave the other engine waiting for the rest of it.
  const broken = new AbortController();
  for (const event of ["error", "aborted"]) archive.on(event, () => broken.abort());
  const said = await to
    .loadImage(archive, { quiet: true, abortSignal: broken.signal })
    .catch((error: Error) => {
      throw new OpsError(
        `The images ${missing.join(", ")} could not be brought: ${broken.signal.aborted ? "the connection to the old machine has ended" : error.message}`,
        "Look whether both machines are reached, and run the command again.",
      );
    });
  let text = "";
  for await (const part of said) text += (part as Buffer).toString("utf8");
  const failure = /"error":"([^"]*)"/.exec(text)?.[1];
  if (failure !== undefined)
    throw new OpsError(
      `The images ${missing.join(", ")} could not be brought: ${failure}`,
      "Look whether the disk of the new machine is full, and run the command again.",
    );
  return missing;
}
