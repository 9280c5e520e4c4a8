/**
 * `npm run stack -- unlock NAME`: removes the lock that a lost run has left on a stack in a backend other than a file's.
 * In a file backend every command sees by itself whether the holder of a lock still lives.
 */
import type { Backend } from "../../stack/backend.ts";
import { findPlace, type CommonOptions } from "../../stack/place.ts";
import { openStackAlone } from "../../stack/session.ts";
import { signals } from "../../stack/this-process.ts";
import { exit, InterruptedError, OpsError } from "../../terminal/errors.ts";
import { npmRun } from "../../terminal/npm-run.ts";
import { print } from "../../terminal/output.ts";
import { confirm, requireTerminal } from "../../terminal/prompt.ts";

export interface UnlockOptions extends Omit<CommonOptions, "stack"> {
  readonly yes?: boolean;
}

/** Pure. @throws OpsError for a backend in which a command finds out by itself whether a lock is still held */
export function refuseFolder(stack: string, { folder }: Pick<Backend, "folder">): void {
  if (folder === undefined) return;
  throw new OpsError(
    `The state of stack ${stack} is in a folder (${folder}), where every command sees whether the run that has the lock still lives, and removes a lock that was left behind.`,
    `Run your command again. For a lock of another machine it says which file to remove; to take away the lock of a run that works breaks the state. Who has it now: ${npmRun("status", stack)}`,
    exit.usage,
  );
}

export async function unlock(stack: string, options: UnlockOptions): Promise<void> {
  refuseFolder(stack, findPlace({ ...options, stack }, true).backend);
  if (!options.yes) requireTerminal();
  // Without our own lock: on the machine of the lost run it may be there as well, and is taken over by itself.
  const { handle } = await openStackAlone({ ...options, stack }, { create: false });
  signals.begin({ title: "asking" });
  const question = `Remove the lock of stack ${stack}? Only if no run works on it: two at once break its state.`;
  if (!options.yes && !(await confirm(question)))
    throw new InterruptedError(`Stack ${stack} was not unlocked.`, "Nothing was changed.");
  await handle.state.cancel();
  print(
    `Stack ${stack} is unlocked. What the lost run left behind is cleared by the next: ${npmRun("up", stack)}`,
  );
}
