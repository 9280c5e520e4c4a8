/** Lets a state forget what begins anew, and gives it back where it did not come to that (ops/stack/forgotten-record.ts). */
import { recordIn, remembered, withRecord } from "./forgotten-record.ts";
import { exportState, importState, type StackHandle } from "./open-stack.ts";
import { nameOf, type State } from "./state.ts";
import { say } from "./this-process.ts";

interface Where {
  readonly handle: Pick<StackHandle, "name" | "state" | "waiting">;
}

/** Lets the state forget resources, and remember them until a deploy has gone through. @returns the state after that */
export async function forget({ handle }: Where, urns: readonly string[]): Promise<State> {
  await importState(handle, (exported) => withRecord(exported, urns));
  say(`The state forgets ${urns.map(nameOf).join(", ")}; what is declared of it is made anew.`);
  return exportState(handle);
}

/**
 * Gives the state back what a deploy that did not come to it has let it forget, on whichever machine. Does nothing where there is
 * nothing.
 * @param state as it was exported just now. @returns the state after that
 */
export async function remember({ handle }: Where, state: State): Promise<State> {
  if (recordIn(state) === undefined) return state;
  let names: string[] = [];
  await importState(handle, (exported) => {
    const found = remembered(exported);
    names = found.back.map(nameOf);
    return found.state;
  });
  if (names.length > 0)
    say(`The state has ${names.join(", ")} again, because the deploy did not come to making them anew.`);
  return exportState(handle);
}
