/** The images of versions that nobody goes back to. */
import { imageOf } from "../../infra/components/backend/image.ts";
import { everyStacksChanges, stackChanges } from "./changes.ts";
import type { Session } from "./session.ts";
import { obsoleteBuilds } from "./versions.ts";

/** Removes them from the engine. An image that a container still uses stays. */
export async function removeObsolete(session: Session): Promise<void> {
  const { docker } = session;
  const [own, all] = await Promise.all([stackChanges(docker, session), everyStacksChanges(docker, session)]);
  for (const build of obsoleteBuilds(own, all)) {
    await docker
      .getImage(imageOf(build))
      .remove()
      .catch(() => undefined);
  }
}
