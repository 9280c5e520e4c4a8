/** The two ends of a move: the way back, and the removal of what it left on the old machine. */
import type Docker from "dockerode";
import { extract } from "tar-stream";
import { writeWhole } from "../../../tools/host/file.mjs";
import { EDGE_FOLDER } from "../../../infra/components/edge/switch.ts";
import { readChangesVolumes } from "../../engine/changes.ts";
import { unlessGone } from "../../engine/connection.ts";
import { listContainers } from "../../engine/containers.ts";
import { endCopies } from "../../engine/volume-copy.ts";
import { listVolumes } from "../../engine/volumes.ts";
import { stackFilePath } from "../../stack/config-files.ts";
import { byStack } from "../../engine/stack-filter.ts";
import { connectEngine, ROOT, type Engine, type Place } from "../../stack/place.ts";
import { openSession, type Session } from "../../stack/session.ts";
import { say, signals } from "../../stack/this-process.ts";
import { exit, explain, InterruptedError, OpsError } from "../../terminal/errors.ts";
import { npmRun } from "../../terminal/npm-run.ts";
import { print } from "../../terminal/output.ts";
import { confirmByTyping, requireTerminal } from "../../terminal/prompt.ts";
import { undivided } from "../../terminal/signals.ts";
import { serveAgain } from "./old-stack.ts";
import { forgetProgress, isReached, keptState, type MoveProgress } from "./progress.ts";
import { placeAt, placeOf } from "./target.ts";
import { endOf, loginKey, type MoveOptions } from "./work.ts";

const noMove = (stack: string): OpsError =>
  new OpsError(
    `No move of stack ${stack} is known in this checkout.`,
    `Begin one: ${npmRun("move", stack, "USER@HOST")}`,
    exit.usage,
  );

/** Lets the old machine serve again, and removes what the move has made on the new one. @throws OpsError where the new one has served */
export async function goBack(
  options: MoveOptions,
  place: Place,
  before: MoveProgress | undefined,
): Promise<void> {
  const { stack, backend } = place;
  if (before === undefined) throw noMove(stack);
  if (before.step === "moved")
    throw new OpsError(
      `Stack ${stack} serves on ${before.host}: what was written there is not on the old machine.`,
      `To take it back, move it to the old machine like to any other, after ${npmRun("move", stack, "--finish")}`,
      exit.usage,
    );
  writeWhole(stackFilePath(ROOT, stack), before.file);
  const from = await openSession(options, { create: false, lock: "move" });
  from.audit?.note({ to: "back" });
  const connectNew = (): Promise<Engine> => connectEngine(placeAt(from, before.access), loginKey(options));
  const old = endOf(from, from.settings.config);
  signals.begin(undivided(`letting stack ${stack} serve again where it was`));
  if (isReached(before, "fenced")) {
    const { docker } = await connectNew();
    await refuseServed(docker, stack, before.host);
    // Nobody may write there any more before somebody may here.
    await removeAll(docker, stack);
    await from.handle.state.importStack(keptState(backend, stack) as never);
    await serveAgain(old, stack, before);
  } else {
    // Nothing can start on the new machine: the data there has no identity yet. So it need not even answer.
    if (isReached(before, "stopping")) await serveAgain(old, stack, before);
    await connectNew()
      .then(({ docker }) => removeAll(docker, stack))
      .catch((error: unknown) =>
        say(`What the move has left on ${before.host} stays there: ${explain(error).what}`),
      );
  }
  forgetProgress(backend, stack);
  print(`Stack ${stack} is where it was. How it is: ${npmRun("status", stack)}`);
}

/** Stops the entrance first, so that what is found stays so. @throws OpsError */
async function refuseServed(docker: Docker, stack: string, host: string): Promise<void> {
  const edge = (await listContainers(docker, stack)).find(({ workload }) => workload === "edge");
  if (edge === undefined) return;
  const container = docker.getContainer(edge.id);
  await container.stop().catch((error: { statusCode?: number }) => {
    if (error.statusCode !== 304) throw error;
  });
  // The first release answers everything with 503; any other one leads to the replicas.
  if ((await linkIn(container, `${EDGE_FOLDER}/current`)) === "releases/first") return;
  await container.start();
  throw new OpsError(
    `The edge on ${host} has served already, so what was acknowledged there is not on the old machine.`,
    `Go on instead: ${npmRun("move", stack, host)}`,
  );
}

/** Where a link in a container leads. */
async function linkIn(container: Docker.Container, path: string): Promise<string | undefined> {
  const archive = await unlessGone(container.getArchive({ path }));
  if (archive === undefined) return undefined;
  const tar = extract();
  archive.on("error", (error: Error) => tar.destroy(error)).pipe(tar);
  let target: string | undefined;
  for await (const entry of tar) {
    target ??= entry.header.linkname ?? undefined;
    entry.resume();
  }
  return target;
}

/** Everything of the stack on an engine, with its data. */
async function removeAll(docker: Docker, stack: string): Promise<void> {
  for (const { id } of await listContainers(docker, stack))
    await unlessGone(docker.getContainer(id).remove({ force: true, v: true }));
  const volumes = (await listVolumes(docker, stack)).map(({ name }) => name);
  await endCopies({ docker }, volumes);
  for (const { volume } of await readChangesVolumes(docker, stack)) volumes.push(volume);
  for (const name of volumes) await unlessGone(docker.getVolume(name).remove());
  for (const { Id } of await docker.listNetworks(byStack(stack)))
    await unlessGone(docker.getNetwork(Id).remove());
}

/** Removes what the move has kept on the old machine, with its data. */
export async function finishMove(
  options: MoveOptions,
  place: Place,
  before: MoveProgress | undefined,
): Promise<void> {
  const { stack, backend } = place;
  if (before === undefined) throw noMove(stack);
  if (before.step !== "moved")
    throw new OpsError(
      `The move of stack ${stack} to ${before.host} is not over.`,
      `Go on with it: ${npmRun("move", stack, before.host)}\n  Or give it up: ${npmRun("move", stack, "--back")}`,
      exit.usage,
    );
  if (!options.yes) requireTerminal();
  const session: Session = await openSession(options, { create: false, lock: "move" });
  session.audit?.note({ to: "finish" });
  const former = placeOf(session, before.file);
  const engine: Engine = await connectEngine(former, loginKey(options));
  const names = (await listVolumes(engine.docker, stack)).filter(({ data }) => data).map(({ name }) => name);
  signals.begin({ title: "asking" });
  if (
    !options.yes &&
    !(await confirmByTyping(
      `This removes what is left of stack ${stack} on ${engine.dockerHost}, with the data as it was before the move (${names.join(", ")}).`,
      stack,
    ))
  )
    throw new InterruptedError("Nothing was removed.", "Nothing was changed.");
  const here = (await session.docker.info()) as { ID?: string };
  const there = (await engine.docker.info()) as { ID?: string };
  if (here.ID === there.ID)
    throw new OpsError(
      `${engine.dockerHost} is the machine on which the stack is. Nothing was removed.`,
      "Look at omniai:dockerHost in the stack's file.",
    );
  await removeAll(engine.docker, stack);
  forgetProgress(backend, stack);
  say(`${engine.dockerHost} has nothing of stack ${stack} any more.`);
}
