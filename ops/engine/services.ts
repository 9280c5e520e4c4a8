/** The services of a stack on a swarm, as its manager has them. */
import { setTimeout as sleep } from "node:timers/promises";
import type Docker from "dockerode";
import { STACK_LABEL } from "../../infra/resources/labels.ts";
import { unlessGone } from "./connection.ts";
import type { SwarmTask } from "./nodes.ts";

/** What a service asks its engines for; the parts that are looked at. Whoever changes a service hands on all others. */
interface ContainerSpec {
  readonly Image: string;
  readonly User?: string;
  readonly Env?: readonly string[] | null;
  readonly Mounts?: readonly ServiceMount[] | null;
  readonly Healthcheck?: object | null;
  /** In nanoseconds. */
  readonly StopGracePeriod?: number;
}

export interface ServiceMount {
  readonly Type: string;
  readonly Source?: string;
  readonly Target: string;
  readonly ReadOnly?: boolean;
  readonly [option: string]: unknown;
}

/** A service as its manager has it; the parts that are looked at. */
export interface SwarmService {
  readonly ID: string;
  readonly Version: { readonly Index: number };
  readonly Spec: {
    readonly Name: string;
    readonly Labels?: Readonly<Record<string, string>> | null;
    readonly Mode: { readonly Replicated?: { readonly Replicas?: number } | null };
    readonly TaskTemplate: {
      readonly ContainerSpec: ContainerSpec;
      readonly ForceUpdate?: number;
      readonly Placement?: { readonly Constraints?: readonly string[] | null } | null;
    };
  };
  readonly UpdateStatus?: { readonly State?: string; readonly Message?: string } | null;
}

/** @param stack only its own; default: of all */
export const listServices = async (docker: Docker, stack?: string): Promise<SwarmService[]> =>
  (await docker.listServices(
    stack === undefined ? {} : { filters: { label: [`${STACK_LABEL}=${stack}`] } },
  )) as unknown as SwarmService[];

/** The service of this name or id; undefined where there is none. */
export const findService = (docker: Docker, name: string): Promise<SwarmService | undefined> =>
  unlessGone(docker.getService(name).inspect() as Promise<SwarmService>);

/** All tasks of a stack's services, also those that are over and those of a service that was just removed. */
export const listTasks = async (docker: Docker, stack: string): Promise<SwarmTask[]> =>
  (await docker.listTasks({ filters: { label: [`${STACK_LABEL}=${stack}`] } })) as SwarmTask[];

/** The engine's own, where a service names none, in seconds. */
const STOP_GRACE = 10;

/** Pure: how long its tasks may take to stop, in seconds. */
export const stopGraceOf = ({ Spec }: Pick<SwarmService, "Spec">): number =>
  (Spec.TaskTemplate.ContainerSpec.StopGracePeriod ?? STOP_GRACE * 1e9) / 1e9;

/** Changes a service as it is now: what the change leaves out stays. */
export async function changeService(
  docker: Docker,
  { ID, Version, Spec }: SwarmService,
  change: object,
): Promise<void> {
  await docker.getService(ID).update({ ...Spec, version: Version.Index, ...change });
}

/** How a rolling update ended; `reason` says why it did not come through. */
export type Rolled = { readonly good: true } | { readonly good: false; readonly reason: string };

const POLL_MS = 500;

/**
 * Has a service put a new task in the place of each, in its own order and at its own pace, and waits until it has.
 * @returns undefined where there is no such service
 */
export async function rollService(docker: Docker, name: string): Promise<Rolled | undefined> {
  const found = await findService(docker, name);
  if (found === undefined) return undefined;
  const { TaskTemplate } = found.Spec;
  // A swarm with nothing to replace says nothing about it, and would be waited for without end.
  if (!(await hasTasks(docker, found.ID))) return { good: false, reason: "no node runs a task of it" };
  await changeService(docker, found, {
    TaskTemplate: { ...TaskTemplate, ForceUpdate: (TaskTemplate.ForceUpdate ?? 0) + 1 },
  });
  for (;;) {
    // The swarm forgets how the update before ended when it takes this one.
    const rolled = judgeUpdate((await docker.getService(found.ID).inspect()) as SwarmService);
    if (rolled !== undefined) return rolled;
    await sleep(POLL_MS);
  }
}

async function hasTasks(docker: Docker, service: string): Promise<boolean> {
  const filters = { service: [service], "desired-state": ["running"] };
  return ((await docker.listTasks({ filters })) as unknown[]).length > 0;
}

/** Pure: undefined while an update is under way, or has not begun. */
export function judgeUpdate({ UpdateStatus }: Pick<SwarmService, "UpdateStatus">): Rolled | undefined {
  const { State = "", Message = "" } = UpdateStatus ?? {};
  if (State === "completed") return { good: true };
  if (["paused", "rollback_paused", "rollback_completed"].includes(State))
    return { good: false, reason: `${State.replace("_", " ")}: ${Message}` };
  return undefined;
}
