/**
 * `npm run preview`: what `up` would change. It changes nothing on the stack, and makes ready what it needs to look:
 * the tools, the images, the stack's place in the backend.
 */
import { prepareStackImages } from "../stack/deploy.ts";
import { describeDowntime } from "../stack/downtime.ts";
import { describeEdgeRoom } from "../stack/edge-room.ts";
import { lastGoodDeploy } from "../stack/changes.ts";
import { externalData } from "../stack/external.ts";
import { checkIdentity } from "../stack/identity.ts";
import { exportState } from "../stack/open-stack.ts";
import type { CommonOptions } from "../stack/place.ts";
import { runPreview } from "../stack/run.ts";
import { openSession } from "../stack/session.ts";
import { print } from "../terminal/output.ts";

export interface PreviewOptions extends CommonOptions {
  readonly diff?: boolean;
  readonly refresh?: boolean;
}

export async function preview(options: PreviewOptions): Promise<void> {
  const session = await openSession(options, { create: "aside" });
  const { docker, dockerHost, stack, handle, settings } = session;
  const [state, served] = [await exportState(handle), await lastGoodDeploy(docker, session)];
  const bringImages = (): Promise<void> => prepareStackImages(session);
  await checkIdentity({
    docker,
    dockerHost,
    stack,
    state,
    served,
    bringImages,
    offsite: settings.config.offsiteBucket,
    external: externalData(settings.config),
  });
  await prepareStackImages(session);
  const { diff, refresh } = options;
  const { changes } = await runPreview(handle, {
    title: `previewing stack ${stack}`,
    show: true,
    diff,
    refresh,
  });
  for (const line of describeDowntime(changes, stack)) print(line);
  const room = describeEdgeRoom(settings.config);
  if (room !== undefined) print(room);
  if (changes.length === 0) print(`Stack ${stack} is as the program declares it.`);
}
