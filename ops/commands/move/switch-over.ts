/** The part of a move in which nobody is served: the old stack stops, the rest of its data follows, the new one starts. */
import { listContainers } from "../../engine/containers.ts";
import { maintenanceSwitch } from "../../engine/maintenance.ts";
import { fence, finishVolume, identify } from "../../engine/volume-copy.ts";
import { deploy, prepare, summarise } from "../../stack/deploy.ts";
import { importState } from "../../stack/open-stack.ts";
import { ROOT } from "../../stack/place.ts";
import { sealState } from "../../stack/seal.ts";
import { openSession, type Session } from "../../stack/session.ts";
import { resourcesOf, type State } from "../../stack/state.ts";
import { say, signals } from "../../stack/this-process.ts";
import { committedConfig, sourceBuild } from "../../stack/versions.ts";
import { explain, OpsError } from "../../terminal/errors.ts";
import { npmRun } from "../../terminal/npm-run.ts";
import { note, paint, print } from "../../terminal/output.ts";
import { undivided } from "../../terminal/signals.ts";
import { describeFollowUps } from "./follow-ups.ts";
import type { Ready } from "./copy-ahead.ts";
import { leaveEntrance, movedVolumes, serveAgain, stopWriting, writersOf } from "./old-stack.ts";
import { isReached, keepState, writeProgress, type MoveProgress } from "./progress.ts";
import { withTargetFile, writeTargetFile, type Work } from "./work.ts";

interface Switching extends Work {
  readonly ready: Ready;
}

export async function switchOver(given: Work, ready: Ready): Promise<void> {
  const work = { ...given, ready };
  const { from, host, options } = work;
  const { stack } = from;
  let { progress } = ready;
  // Opened while the old stack still serves: it takes some seconds.
  const to = await withTargetFile(work, () => openSession(options, { create: false }));
  if (!isReached(progress, "fenced")) progress = await takeData(work);
  await forward(work, () => handOver(work));
  writeTargetFile(work);
  signals.begin({ title: `deploying stack ${stack} to ${host}` });
  const outputs = await forward(work, () => deployNew(to));
  const seconds = (Date.now() - Date.parse(progress.refusedSince ?? "")) / 1000;
  writeProgress(from.backend, stack, { ...progress, step: "moved" });
  if (progress.maintained !== undefined)
    await (await maintenanceSwitch(to.docker, stack))?.set(progress.maintained);
  signals.begin(undivided(`taking the entrance of the old machine away`));
  await leaveEntrance(from.docker, stack).catch((error: Error) =>
    say(
      `Something of the old stack could not be removed (${error.message}); npm run move -- --finish does it.`,
    ),
  );
  const imageId = await summarise(to, outputs);
  from.audit?.note({
    version: { build: sourceBuild(ROOT, to.settings.config), imageId, config: committedConfig(to) },
  });
  await sealState(to);
  print(
    `${paint("green", "✓")} Stack ${paint("bold", stack)} is on ${host}. It refused for ${seconds.toFixed(1)} s; nothing that was acknowledged is lost.`,
  );
  for (const line of describeFollowUps(to.settings.config, stack, host)) print(line);
}

/** Until the fence, whatever fails is put right by letting the old stack serve again. */
async function takeData(work: Switching): Promise<MoveProgress> {
  const { from, old, fresh, host, ready } = work;
  const { progress, since } = ready;
  const { docker, stack, backend } = from;
  keepState(backend, stack, await from.handle.state.exportStack());
  const refusedSince = new Date().toISOString();
  const running = (await listContainers(docker, stack)).filter(({ state }) => state === "running");
  // An `up` since a former try may have replaced some.
  const ran = [...new Set([...progress.ran, ...running.map(({ id }) => id)])];
  const stopping = writeProgress(backend, stack, { ...progress, step: "stopping", refusedSince, ran });
  signals.begin(undivided(`moving the data of stack ${stack} to ${host}`));
  note(
    `From here on the stack refuses. If this command is killed: ${npmRun("move", stack, host)} goes on, ${npmRun("move", stack, "--back")} lets the old machine serve again.`,
  );
  const volumes = await movedVolumes(docker, stack);
  try {
    await stopWriting(docker, stack);
    await Promise.all(
      volumes.map(({ name, contents }) =>
        finishVolume(old, fresh, name, { since: since.get(name), contents }),
      ),
    );
    for (const { name, isData } of volumes) if (isData) await fence(old, name);
    // Whoever had started one before the fence.
    await refuseWriters(docker, stack);
    if (signals.requested) throw signals.error();
  } catch (error) {
    await giveUp(work, stopping);
    throw error;
  }
  // From here on only the new machine can serve.
  return writeProgress(backend, stack, { ...stopping, step: "fenced" });
}

/** The identities go over, one after the other: at no moment are they in both places. It can be done again. */
async function handOver({ from, old, fresh }: Switching): Promise<void> {
  for (const { name, isData } of await movedVolumes(from.docker, from.stack))
    if (isData) await identify(fresh, name, await fence(old, name));
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
async function forward<T>({ from, host }: Switching, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    const { stack } = from;
    note(
      `All data of stack ${stack} is on ${host}, and nothing starts on the old machine's any more. ` +
        `When the reason is gone, go on: ${npmRun("move", stack, host)}\n` +
        `As long as the new edge has served nobody, the way back is: ${npmRun("move", stack, "--back")}`,
    );
    throw error;
  }
}

/**
 * Pure: the state as if its provider had always reached this engine. A refresh asks by the provider that the state has: it would find
 * the containers and networks of the old machine, and the deploy would take them for those of the new one.
 */
export const withEngine = (state: State, host: string): State => ({
  ...state,
  resources: resourcesOf(state).map((resource) =>
    resource.type !== "pulumi:providers:docker" || resource.inputs?.["host"] === undefined
      ? resource
      : {
          ...resource,
          inputs: { ...resource.inputs, host },
          outputs: { ...resource.outputs, host },
        },
  ),
});

async function deployNew(to: Session): ReturnType<typeof deploy> {
  const { stack, handle, dockerHost } = to;
  await importState(handle, (state) => withEngine(state, dockerHost));
  await prepare(to, { move: true });
  return deploy(to, { title: `deploying stack ${stack}`, options: handle.options, refresh: true });
}
