/** The services of a stack on a swarm, as its manager has them. */
import { setTimeout as sleep } from "node:timers/promises";
import type Docker from "dockerode";
import { unlessGone } from "./connection.ts";

/** What is looked at of a service. */
interface Inspected {
  readonly Version: { readonly Index: number };
  readonly Spec: {
    readonly TaskTemplate: { readonly ForceUpdate?: number; readonly [key: string]: unknown };
    readonly [key: string]: unknown;
  };
  readonly UpdateStatus?: { readonly State?: string; readonly Message?: string } | null;
}

/** How a rolling update ended; `reason` says why it did not come through. */
export type Rolled = { readonly good: true } | { readonly good: false; readonly reason: string };

const POLL_MS = 500;

/**
 * Has a service put a new task in the place of each, in its own order and at its own pace, and waits until it has.
 * @returns undefined where there is no such service
 */
export async function rollService(docker: Docker, name: string): Promise<Rolled | undefined> {
  const service = docker.getService(name);
  const found = (await unlessGone(service.inspect())) as Inspected | undefined;
  if (found === undefined) return undefined;
  const { Version, Spec } = found;
  const { TaskTemplate } = Spec;
  const TaskTemplateAnew = { ...TaskTemplate, ForceUpdate: (TaskTemplate.ForceUpdate ?? 0) + 1 };
  await service.update({ ...Spec, version: Version.Index, TaskTemplate: TaskTemplateAnew });
  for (;;) {
    // The swarm forgets how the update before ended when it takes this one.
    const rolled = judgeUpdate((await service.inspect()) as Inspected);
    if (rolled !== undefined) return rolled;
    await sleep(POLL_MS);
  }
}

/** Pure: undefined while an update is under way, or has not begun. */
export function judgeUpdate({ UpdateStatus }: Pick<Inspected, "UpdateStatus">): Rolled | undefined {
  const { State = "", Message = "" } = UpdateStatus ?? {};
  if (State === "completed") return { good: true };
  if (["paused", "rollback_paused", "rollback_completed"].includes(State))
    return { good: false, reason: `${State.replace("_", " ")}: ${Message}` };
  return undefined;
}
