/** The part of a move in which nobody is served: the old stack stops, the rest of its data follows, the new one starts. */
import { listContainers } from "../../engine/containers.ts";
import { maintenanceSwitch } from "../../engine/maintenance.ts";
import { listNetworks } from "../../engine/networks.ts";
import { fence, finishVolume, identify } from "../../engine/volume-copy.ts";
import { listVolumes } from "../../engine/volumes.ts";
import { stackChanges } from "../../stack/changes.ts";
import { deploy, prepare, summarise } from "../../stack/deploy.ts";
import { keepState, writeProgress, type MoveProgress } from "../../stack/move-progress.ts";
import { importState } from "../../stack/open-stack.ts";
import { connectEngine, ROOT, type Place } from "../../stack/place.ts";
import { sealState } from "../../stack/seal.ts";
import { openSession, type Session } from "../../stack/session.ts";
import { say, signals } from "../../stack/this-process.ts";
import { committedConfig, sourceBuild } from "../../stack/versions.ts";
import { explain, OpsError } from "../../terminal/errors.ts";
import { npmRun } from "../../terminal/npm-run.ts";
import { note, paint, print } from "../../terminal/output.ts";
import { undivided } from "../../terminal/signals.ts";
import { checkSame } from "./check.ts";
import { checkSources, type Ready } from "./copy-ahead.ts";
import { describeFollowUps } from "./follow-ups.ts";
import {
  isLive,
  leaveEntrance,
  maintainedBy,
  movedVolumes,
  serveAgain,
  stopWriting,
  writeOut,
  writersOf,
} from "./old-stack.ts";
import { stateAt } from "./state-at.ts";
import { fileForOld, takeFor } from "./taking-up.ts";
import { placeOf, stackFileText } from "./target.ts";
import { endOf, loginKey, withTargetFile, writeTargetFile, type MoveOptions, type Work } from "./work.ts";

interface Switching extends Work {
  readonly ready: Ready;
}

export async function switchOver(given: Work, ready: Ready): Promise<void> {
  const work = { ...given, ready };
  const { options, from } = work;
  // Opened while the old stack still serves: it takes some seconds.
  const to = await withTargetFile(work, () => openSession(options, { create: false }));
  const progress = await takeData(work);
  await goForward({ ...to, ...(from.audit && { audit: from.audit }) }, progress, {
    ...options,
    again: false,
  });
}

/** Takes up a move after the fence. Only the new machine is needed for it. */
export async function goOn(options: MoveOptions, place: Place, before: MoveProgress): Promise<void> {
  const { stack, settings } = place;
  const audit = await takeFor(options, place, before);
  const file = fileForOld(stackFileText(stack), before, settings.project, stack);
  writeTargetFile({ from: place, file, access: before.access });
  const to = await openSession(options, { create: false, lock: "move", audit });
  audit.note({ to: before.host });
  await checkSame(to.docker, before.engines?.fresh, before.host);
  await goForward(to, before, { ...options, again: true });
}

/** Until the fence, whatever fails is put right by letting the old stack serve again. */
async function takeData(work: Switching): Promise<MoveProgress> {
  const { from, old, fresh, host, ready } = work;
  const { progress, since } = ready;
  const { docker, stack, backend } = from;
  // Somebody may have deployed while the data was copied.
  checkSources(from, await stackChanges(docker, from));
  keepState(backend, stack, await from.handle.state.exportStack());
  await writeOut(docker, stack);
  const refusedSince = new Date().toISOString();
  const running = (await listContainers(docker, stack)).filter(isLive);
  // An `up` since a former try may have replaced some.
  const ran = [...new Set([...progress.ran, ...running.map(({ id }) => id)])];
  signals.begin(undivided(`moving the data of stack ${stack} to ${host}`));
  // Read last: while the data was copied, perhaps in several tries, somebody may have begun maintenance or ended it.
  const maintained = maintainedBy(await maintenanceSwitch(docker, stack), progress);
  const stopping = writeProgress(backend, stack, {
    ...progress,
    ...{ step: "stopping", refusedSince, ran, maintained },
  });
  note(
    `From here on the stack refuses. If this command is killed: ${npmRun("move", stack, host)} goes on, ${npmRun("move", stack, "--back")} lets the old machine serve again.`,
  );
  const volumes = await movedVolumes(docker, stack);
  const identities: Record<string, string> = {};
  try {
    await stopWriting(docker, stack);
    await everyOne(
      volumes.map(({ name, contents }) =>
        finishVolume(old, fresh, name, { since: since.get(name), contents }),
      ),
    );
    await everyOne(
      volumes
        .filter(({ isData }) => isData)
        .map(async ({ name }) => (identities[name] = await fence(old, name))),
    );
    // Whoever had started one before the fence.
    await refuseWriters(docker, stack);
    if (signals.requested) throw signals.error();
  } catch (error) {
    await giveUp(work, stopping);
    throw error;
  }
  // From here on only the new machine can serve.
  return writeProgress(backend, stack, { ...stopping, step: "fenced", identities });
}

/** Waits for all of them, also where one fails: what follows must not meet one that goes on. @throws the first error */
async function everyOne(works: readonly Promise<unknown>[]): Promise<void> {
  await Promise.allSettled(works);
  await Promise.all(works);
}

/** From the fence on. It can be done again, from its beginning. */
async function goForward(
  to: Session,
  progress: MoveProgress,
  options: MoveOptions & { readonly again: boolean },
): Promise<void> {
  const { stack, backend, settings } = to;
  const { host, access, file, maintained, refusedSince = "" } = progress;
  const outputs = await helped(to, progress, async () => {
    const fresh = endOf(to, settings.config);
    const identities = Object.entries(progress.identities ?? {});
    await Promise.all(identities.map(([volume, identity]) => identify(fresh, volume, identity)));
    writeTargetFile({ from: to, file, access });
    signals.begin({ title: `deploying stack ${stack} to ${host}` });
    return deployNew(to, options.again);
  });
  const seconds = (Date.now() - Date.parse(refusedSince)) / 1000;
  signals.begin(undivided("taking the entrance of the old machine away"));
  if (maintained !== undefined) await (await maintenanceSwitch(to.docker, stack))?.set(maintained);
  await leaveOld(to, progress, options).catch((error: unknown) =>
    say(
      `The old machine's part of stack ${stack} could not be taken out of use (${explain(error).what}): it answers as it did until ${npmRun("move", stack, "--finish")}.`,
    ),
  );
  writeProgress(backend, stack, { ...progress, step: "moved" });
  print(
    `${paint("green", "✓")} Stack ${paint("bold", stack)} is on ${host}. It refused for ${seconds.toFixed(1)} s; nothing that was acknowledged is lost.`,
  );
  for (const line of describeFollowUps(settings.config, stack, access)) print(line);
  const imageId = await summarise(to, outputs);
  to.audit?.note({
    version: { build: sourceBuild(ROOT, settings.config), imageId, config: committedConfig(to) },
  });
  await sealState(to);
}

/** Nothing of a tunnel leads to the old machine any more, and its servers are gone. Its data stays. */
async function leaveOld(to: Session, { file, engines }: MoveProgress, options: MoveOptions): Promise<void> {
  const { docker, dockerHost } = await connectEngine(placeOf(to, file), loginKey(options));
  await checkSame(docker, engines?.old, dockerHost);
  await leaveEntrance(docker, to.stack);
}

/** @throws OpsError where somebody has started one meanwhile */
async function refuseWriters(docker: Session["docker"], stack: string): Promise<void> {
  const writers = await writersOf(docker, stack);
  if (writers.length === 0) return;
  throw new OpsError(
    `${writers.map(({ name }) => name).join(", ")} of stack ${stack} was started by somebody while its data was being copied.`,
    "Look who works on the stack (npm run history), and move again.",
  );
}

async function giveUp({ from, old }: Switching, progress: MoveProgress): Promise<void> {
  const { stack, backend } = from;
  if (signals.requested) signals.acknowledge();
  signals.begin(undivided(`letting stack ${stack} serve again where it was`));
  say("The move goes no further; the old stack is started again.");
  try {
    await serveAgain(old, stack, progress);
  } catch (error) {
    note(
      `The old stack could not be started again: ${explain(error).what}\nWhen its machine answers: ${npmRun("move", stack, "--back")}`,
    );
    return;
  }
  writeProgress(backend, stack, { ...progress, step: "copying" });
}

/** Adds to what fails after the fence what the operator has to do. */
async function helped<T>({ stack }: Session, { host }: MoveProgress, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    note(
      `All data of stack ${stack} is on ${host}, and nothing starts on the old machine's any more. ` +
        `When the reason is gone, go on: ${npmRun("move", stack, host)}\n` +
        `As long as the new edge has served nobody, the way back is: ${npmRun("move", stack, "--back")}`,
    );
    throw error;
  }
}

/** @param again whether an earlier try may have made something that the state does not know: at first there is nothing to find out. */
async function deployNew(to: Session, again: boolean): ReturnType<typeof deploy> {
  const { docker, stack, handle, dockerHost } = to;
  const [containers, networks, volumes] = await Promise.all([
    listContainers(docker, stack),
    listNetworks(docker, stack),
    listVolumes(docker, stack),
  ]);
  const there = new Set([...containers.map(({ id }) => id), ...networks.map(({ id }) => id)]);
  for (const { name } of volumes) there.add(name);
  await importState(handle, (state) => stateAt(state, stack, dockerHost, there));
  await prepare(to, { move: true });
  return deploy(to, { title: `deploying stack ${stack}`, options: handle.options, refresh: again });
}
