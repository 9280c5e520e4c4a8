/** Which containers the engine restarted, besides the one that something was done to. */
import { docker } from "../../../test/support/stack.ts";
import type { Verdict } from "../scenario.ts";
import type { StackEnvironment } from "../stack-environment.ts";

/** How often the engine has restarted each container of the stack, by its name. */
export type Restarts = Readonly<Record<string, number>>;

/** Lines of the log of a restarted container that are told. */
const TOLD_LINES = 20;

export async function restartsOf(environment: StackEnvironment): Promise<Restarts> {
  const entries = (await environment.stack.containers()).map(async (name): Promise<[string, number]> => [
    name,
    (await docker.getContainer(name).inspect()).RestartCount,
  ]);
  return Object.fromEntries(await Promise.all(entries));
}

/**
 * @param before what `restartsOf` said then.
 * @param but what something was done to: it may have been restarted.
 * @returns the verdict, with the name of each other one. What these said last goes to stderr, because a stack that is
 *   removed takes the reason with it.
 */
export async function noneRestarted(
  environment: StackEnvironment,
  before: Restarts,
  but?: string,
): Promise<Verdict> {
  const now = await restartsOf(environment);
  const others = Object.keys(now).filter((name) => name !== but && now[name] !== (before[name] ?? 0));
  for (const name of others) {
    const log = await docker.getContainer(name).logs({ stdout: true, stderr: true, tail: TOLD_LINES });
    console.error(`${name} was restarted. Its log ends with:\n${log.toString()}`);
  }
  const what = `${but === undefined ? "" : "other "}containers restarted: ${others.join(", ") || "none"}`;
  return { what, holds: others.length === 0 };
}
