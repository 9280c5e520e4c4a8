/** `npm run up`: deploys the stack as the program declares it until it is healthy, or says why it is not. */
import type { OutputMap } from "@pulumi/pulumi/automation/index.js";
import { deploy, policiesAreMandatory, prepare, summarise } from "../stack/deploy.ts";
import { describeDowntime } from "../stack/downtime.ts";
import { describeEdgeRoom } from "../stack/edge-room.ts";
import { remember } from "../stack/forgotten.ts";
import { refuseMoveByHand } from "../stack/move-progress.ts";
import { exportState } from "../stack/open-stack.ts";
import { removeObsolete } from "../stack/images.ts";
import { ROOT, type CommonOptions } from "../stack/place.ts";
import { sealState } from "../stack/seal.ts";
import { runPreview } from "../stack/run.ts";
import { deployablePlace, openSession, type Session } from "../stack/session.ts";
import { failedResources, nameOf, type State } from "../stack/state.ts";
import { say, signals } from "../stack/this-process.ts";
import { committedConfig, sourceBuild } from "../stack/versions.ts";
import { InterruptedError } from "../terminal/errors.ts";
import { confirm, requireTerminal } from "../terminal/prompt.ts";

export interface UpOptions extends CommonOptions {
  readonly yes?: boolean;
  /** False with --no-refresh. */
  readonly refresh?: boolean;
  /** Workloads whose lost data may begin anew. */
  readonly acceptEmpty?: readonly string[];
  /** Whether the stack may be on another engine than before. */
  readonly move?: boolean;
}

/**
 * Pure: whether the engine is asked for drift first. By default it is, because only then a container that was stopped or
 * removed by hand comes back. Not after a run in which a container never got healthy: a refresh would take the mark off
 * that container, and the update would keep it and delete the good one.
 */
export const refreshes = (state: State, asked: boolean): boolean =>
  asked && failedResources(state).length === 0;

export async function up(options: UpOptions): Promise<void> {
  const asks = options.stack !== "dev" && !options.yes;
  if (asks) {
    // First, because --yes would not help an unknown stack or a wrong config.
    deployablePlace(options);
    requireTerminal();
  }
  const session = await openSession(options, { create: true, lock: "up" });
  const { stack, handle, settings, audit } = session;
  if (options.move) refuseMoveByHand(session.backend, stack);
  const state = await prepare(session, options);
  for (const { urn } of failedResources(state))
    say(`${nameOf(urn)} did not get healthy in the run before; it is replaced and checked again.`);
  const room = describeEdgeRoom(settings.config);
  if (room !== undefined) say(room);
  const refresh = refreshes(state, options.refresh !== false);
  const build = sourceBuild(ROOT, settings.config);
  let outputs: OutputMap;
  try {
    if (asks) await showAndAsk(session, refresh);
    else if (policiesAreMandatory(stack, settings.config)) await checkPolicies(session, refresh);
    audit?.note({ to: build });
    outputs = await deploy(session, {
      title: `deploying stack ${stack}`,
      options: handle.options,
      refresh,
    });
  } catch (error) {
    // If that fails too, the next run does it.
    await giveBack(session).catch((reason: Error) => say(reason.message));
    throw error;
  }
  const imageId = await summarise(session, outputs);
  audit?.note({ version: { build, imageId, config: committedConfig(session) } });
  await sealState(session);
  await removeObsolete(session);
}

const giveBack = async (session: Session): Promise<unknown> =>
  remember(session, await exportState(session.handle));

/** A preview for the policies alone: a violation that is found during the update would leave it half done. */
async function checkPolicies({ stack, handle }: Session, refresh: boolean): Promise<void> {
  await runPreview(handle, { title: `checking stack ${stack} against its policies`, refresh });
}

async function showAndAsk({ stack, handle }: Session, refresh: boolean): Promise<void> {
  const { changes } = await runPreview(handle, { title: `previewing stack ${stack}`, show: true, refresh });
  for (const line of describeDowntime(changes, stack)) say(line);
  signals.begin({ title: "asking" });
  if (!(await confirm(`Deploy this to stack ${stack}?`)))
    throw new InterruptedError(`Stack ${stack} was not deployed.`, "Nothing was changed.");
}
