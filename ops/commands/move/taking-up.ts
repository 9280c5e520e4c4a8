/** A move takes the stack: its lock first, and only then what a move before has left, because another one may end until then. */
import { isDeepStrictEqual } from "node:util";
import { writeWhole } from "../../../tools/host/file.mjs";
import { stackFilePath } from "../../stack/config-files.ts";
import { checkOwnEngine } from "../../stack/identity.ts";
import type { Looked } from "../../stack/looked.ts";
import {
  forgetProgress,
  isReached,
  progressFile,
  readProgress,
  writeProgress,
  type MoveProgress,
} from "../../stack/move-progress.ts";
import { exportState } from "../../stack/open-stack.ts";
import { ROOT, type Place } from "../../stack/place.ts";
import { openSession, takeStack, type Session } from "../../stack/session.ts";
import { signals } from "../../stack/this-process.ts";
import { OpsError } from "../../terminal/errors.ts";
import { npmRun } from "../../terminal/npm-run.ts";
import { undivided } from "../../terminal/signals.ts";
import { checkSame } from "./check.ts";
import { closeReachable } from "./new-machine.ts";
import { serveAgain } from "./old-stack.ts";
import { stackFileText, withAccess } from "./target.ts";
import { endOf, type MoveOptions } from "./work.ts";

const nameOf = (stack: string): string => `Pulumi.${stack}.yaml`;

/**
 * Pure: the text of the stack's file for the old machine, when a move is taken up again. One that was killed may have left the file as
 * it is for the new machine; what the operator has changed since is theirs, as long as the data is where it was.
 * @param found the file as it is. @throws OpsError where it was changed while the data is on the new machine
 */
export function fileForOld(found: string, before: MoveProgress, project: string, stack: string): string {
  const { file, access } = before;
  if (found === file || found === withAccess(file, project, access)) return file;
  if (!isReached(before, "fenced")) return found;
  throw new OpsError(
    `${nameOf(stack)} is not what it was when the move began, and the data is on the new machine as it was then.`,
    `Put the file back as it was (git diff ${nameOf(stack)} says what has changed), and run the command again.`,
  );
}

/** Takes the lock. @param before what this command goes by. @throws OpsError where another move has gone on meanwhile */
export async function takeFor(
  options: MoveOptions,
  place: Place,
  before: MoveProgress | undefined,
): ReturnType<typeof takeStack> {
  const { stack, backend } = place;
  const audit = await takeStack(place, "move", options);
  if (isDeepStrictEqual(readProgress(backend, stack), before)) return audit;
  throw new OpsError(
    `Another move of stack ${stack} has gone on while this command waited for it.`,
    `Look how far it is: ${npmRun("status", stack)}; then run what is wanted again.`,
  );
}

/** The stack on the old machine, with its file as it is for that one. */
export async function openOld(
  options: MoveOptions,
  place: Place,
  before: MoveProgress | undefined,
): Promise<Session & { readonly file: string; readonly found: string }> {
  const { stack, backend, settings } = place;
  const audit = await takeFor(options, place, before);
  const found = stackFileText(stack);
  const file = before === undefined ? found : fileForOld(found, before, settings.project, stack);
  if (file !== found) writeWhole(stackFilePath(ROOT, stack), file);
  if (before?.step === "preparing") forgetProgress(backend, stack);
  return { ...(await openSession(options, { create: false, lock: "move", audit })), file, found };
}

/**
 * Before a way back starts or removes anything: the state knows the old machine then. Where it knows another one, somebody has brought
 * the stack there since, and what is there is no copy.
 * @throws OpsError
 */
export async function checkStillOld(looked: Looked & Pick<Place, "backend">): Promise<void> {
  const { stack, backend } = looked;
  await checkOwnEngine(looked).catch((error: unknown) => {
    if (!(error instanceof OpsError)) throw error;
    throw new OpsError(
      error.message,
      `${error.remedy}\n  Where the stack was brought to its engine by other means since the move began, that move is over: remove ${progressFile(backend, stack)}.`,
      error.exitCode,
      { cause: error },
    );
  });
}

/**
 * A try that was killed may have left the old stack stopped. It serves before anything else is looked at, so that whatever fails from
 * here on leaves it serving; all is copied anew.
 * @returns the progress as it is then. @throws OpsError where the new machine has served
 */
export async function serveMeanwhile(
  options: MoveOptions,
  from: Session,
  before: MoveProgress,
): Promise<MoveProgress> {
  if (!isReached(before, "stopping")) return before;
  const { docker, dockerHost, stack, backend, handle } = from;
  signals.begin(undivided(`letting stack ${stack} serve while its data is copied anew`));
  await checkSame(docker, before.engines?.old, "the old machine's address");
  await checkStillOld({ docker, dockerHost, stack, backend, state: await exportState(handle) });
  await closeReachable(options, from, before);
  await serveAgain(endOf(from, from.settings.config), stack, before);
  return writeProgress(backend, stack, { ...before, step: "copying" });
}
