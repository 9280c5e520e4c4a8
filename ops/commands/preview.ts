/** `npm run preview`: what `up` would change. Changes nothing but what it needs to look: tools, images, the stack's place. */
import { describeDowntime } from "../stack/downtime.ts";
import { print } from "../terminal/output.ts";
import { runPulumi } from "../stack/run.ts";
import { signals, openSession, type CommonOptions } from "../stack/session.ts";
import { getImages } from "./up.ts";

export interface PreviewOptions extends CommonOptions {
  readonly diff?: boolean;
  readonly refresh?: boolean;
}

export async function preview(options: PreviewOptions): Promise<void> {
  const session = await openSession(options, { create: true });
  const { stack, handle } = session;
  await getImages(session);
  const { events } = await runPulumi({
    title: `previewing stack ${stack}`,
    signals,
    options: handle.options,
    show: true,
    run: (run) => handle.program.preview({ ...run, diff: options.diff, refresh: options.refresh }),
  });
  for (const line of describeDowntime(events.changes, stack)) print(line);
  if (events.changes.length === 0) print(`Stack ${stack} is as the program declares it.`);
}
