/** The two ends of a move: the way back, and the removal of what it left on the old machine. */
import type Docker from "dockerode";
import { writeWhole } from "../../../tools/host/file.mjs";
import { readChangesVolumes } from "../../engine/changes.ts";
import { unlessGone } from "../../engine/connection.ts";
import { endCopies } from "../../engine/volume-copy.ts";
import { listVolumes } from "../../engine/volumes.ts";
import { byStack } from "../../engine/stack-filter.ts";
import { stackFilePath } from "../../stack/config-files.ts";
import {
  forgetProgress,
  isReached,
  keptState,
  writeProgress,
  type MoveProgress,
} from "../../stack/move-progress.ts";
import { exportState } from "../../stack/open-stack.ts";
import { connectEngine, ROOT, type Place } from "../../stack/place.ts";
import { openSession } from "../../stack/session.ts";
import { say, signals } from "../../stack/this-process.ts";
import { exit, explain, InterruptedError, OpsError } from "../../terminal/errors.ts";
import { npmRun } from "../../terminal/npm-run.ts";
import { note, print } from "../../terminal/output.ts";
import { confirmByTyping, requireTerminal } from "../../terminal/prompt.ts";
import { undivided } from "../../terminal/signals.ts";
import { checkSame, machineOf } from "./check.ts";
import { closeNew, closeReachable, connectNew, mayBeLost, refuseAnswering } from "./new-machine.ts";
import { removeContainers, serveAgain } from "./old-stack.ts";
import { checkStillOld, openOld, takeFor } from "./taking-up.ts";
import { placeOf } from "./target.ts";
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
  const isFenced = isReached(before, "fenced");
  // A way back that was killed may have left an identity there.
  const isLost = (isFenced || before.identities !== undefined) && options.lost === true;
  const mayLose = isLost && options.yes !== true;
  if (mayLose) requireTerminal();
  const from = await openOld(options, place, before);
  from.audit?.note({ to: "back" });
  await checkSame(from.docker, before.engines?.old, "the old machine's address");
  const connect = (): Promise<Docker> => connectNew(options, from, before);
  if (isLost) await refuseAnswering(connect(), stack, before.host);
  const old = endOf(from, from.settings.config);
  signals.begin({ title: "asking" });
  const question = `What ${before.host} may have acknowledged since its edge began to let requests in is lost with it.`;
  if (mayLose && !(await confirmByTyping(question, stack)))
    throw new InterruptedError("The move was not given up.", "Nothing was changed.");
  signals.begin(undivided(`letting stack ${stack} serve again where it was`));
  if (isFenced) {
    if (options.lost !== true) {
      const docker = await connect().catch((error: unknown) => {
        if (mayBeLost(error))
          note(`Where ${before.host} is gone for good: ${npmRun("move", stack, "--back", "--lost")}`);
        throw error;
      });
      await closeNew(docker, stack, before.host);
    }
    await from.handle.state.importStack(keptState(backend, stack) as never);
  }
  const { docker, dockerHost } = from;
  await checkStillOld({ docker, dockerHost, stack, backend, state: await exportState(from.handle) }).catch(
    (error: unknown) => {
      // The stack is where the file says, and not where the move began.
      if (from.found !== from.file) writeWhole(stackFilePath(ROOT, stack), from.found);
      throw error;
    },
  );
  if (isFenced) {
    // A kill from here on must not let anybody go on with the data there.
    writeProgress(backend, stack, { ...before, step: "stopping" });
  } else if (isReached(before, "stopping")) await closeReachable(options, from, before);
  if (isReached(before, "stopping")) await serveAgain(old, stack, before);
  const removed =
    isReached(before, "copying") && options.lost !== true
      ? connect().then((docker) => removeAll(docker, stack))
      : Promise.resolve();
  // Before the fence nothing can start on the new machine: the data there has no identity yet. So it need not even answer.
  await (isFenced
    ? removed
    : removed.catch((error: unknown) =>
        say(`What the move has left on ${before.host} stays there: ${explain(error).what}`),
      ));
  forgetProgress(backend, stack);
  if (isLost)
    note(
      `Never start ${before.host} again with its disk: stack ${stack} would serve there beside this one, on data that is not the same.`,
    );
  print(`Stack ${stack} is where it was. How it is: ${npmRun("status", stack)}`);
}

/** Everything of the stack on an engine, with its data. */
async function removeAll(docker: Docker, stack: string): Promise<void> {
  await removeContainers(docker, stack);
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
  const audit = await takeFor(options, place, before);
  const session = await openSession(options, { create: false, lock: "move", audit });
  audit.note({ to: "finish" });
  if (options.lost === true) {
    forgetProgress(backend, stack);
    return say("The move is over. What the lost machine had of the stack is not touched.");
  }
  const { docker, dockerHost } = await connectEngine(placeOf(session, before.file), loginKey(options));
  await checkSame(session.docker, before.engines?.fresh, session.dockerHost);
  await checkSame(docker, before.engines?.old, dockerHost);
  const [here, there] = [await machineOf(session.docker), await machineOf(docker)];
  if (here.id === there.id)
    throw new OpsError(
      `${dockerHost} is the machine on which the stack is. Nothing was removed.`,
      "Look at omniai:dockerHost in the stack's file.",
    );
  const names = (await listVolumes(docker, stack)).filter(({ data }) => data).map(({ name }) => name);
  signals.begin({ title: "asking" });
  const question = `This removes what is left of stack ${stack} on ${dockerHost}, with the data as it was before the move (${names.join(", ")}).`;
  if (!options.yes && !(await confirmByTyping(question, stack)))
    throw new InterruptedError("Nothing was removed.", "Nothing was changed.");
  await removeAll(docker, stack);
  forgetProgress(backend, stack);
  say(`${dockerHost} has nothing of stack ${stack} any more.`);
}
