/** The services of a stack on a swarm, as its manager has them. */
import { setTimeout as sleep } from "node:timers/promises";
import type Docker from "dockerode";
import { STACK_LABEL, WORKLOAD_LABEL } from "../../infra/resources/labels.ts";
import { unlessGone } from "./connection.ts";
import type { SwarmTask } from "./nodes.ts";
import { inSequence } from "./swarm-change.ts";

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

/** Pure: its workload; undefined for a tool that works for a moment (doctor, maintenance). */
export const workloadOf = ({ Spec }: Pick<SwarmService, "Spec">): string | undefined =>
  Spec.Labels?.[WORKLOAD_LABEL];

/** Without a login of its own, the client would send the whole plan as one. */
export const createService = (docker: Docker, plan: Docker.CreateServiceOptions): Promise<Docker.Service> =>
  docker.createService({}, plan);

/** All tasks of a stack's services, also those that are over and those of a service that was just removed. */
export const listTasks = async (docker: Docker, stack: string): Promise<SwarmTask[]> =>
  (await docker.listTasks({ filters: { label: [`${STACK_LABEL}=${stack}`] } })) as SwarmTask[];

/** The engine's own, where a service names none, in seconds. */
const STOP_GRACE = 10;

/** Pure: how long its tasks may take to stop, in seconds. */
export const stopGraceOf = ({ Spec }: Pick<SwarmService, "Spec">): number =>
  (Spec.TaskTemplate.ContainerSpec.StopGracePeriod ?? STOP_GRACE * 1e9) / 1e9;

/**
 * Changes a service as it is now: what the change leaves out stays.
 * @param change given the service. @returns the service before; undefined where there is none
 */
export const changeService = (
  docker: Docker,
  name: string,
  change: (service: SwarmService) => object,
): Promise<SwarmService | undefined> =>
  inSequence(`service ${name}`, async () => {
    const found = await findService(docker, name);
    if (found === undefined) return undefined;
    const { ID, Version, Spec } = found;
    await docker.getService(ID).update({ ...Spec, version: Version.Index, ...change(found) });
    return found;
  });

/** How a rolling update ended; `reason` says why it did not come through. */
export type Rolled = { readonly good: true } | { readonly good: false; readonly reason: string };

const POLL_MS = 500;

/** How long a swarm may take to begin, or to find a node for a new task, in seconds: it says of neither that it never will. */
const PATIENCE = 60;

/**
 * Has a service put a new task in the place of each, in its own order and at its own pace, and waits until it has.
 * @param patience how long it may stand still, in seconds. @returns undefined where there is no such service
 */
export async function rollService(
  docker: Docker,
  name: string,
  patience = PATIENCE,
): Promise<Rolled | undefined> {
  const found = await findService(docker, name);
  if (found === undefined) return undefined;
  // A swarm with nothing to replace says nothing about it, and would be waited for without end.
  if ((await wantedTasks(docker, found.ID)).length === 0)
    return { good: false, reason: "no node runs a task of it" };
  await changeService(docker, found.ID, ({ Spec: { TaskTemplate } }) => ({
    TaskTemplate: { ...TaskTemplate, ForceUpdate: (TaskTemplate.ForceUpdate ?? 0) + 1 },
  }));
  for (let still: { reason: string; since: number } | undefined; ; await sleep(POLL_MS)) {
    const service = await findService(docker, found.ID);
    if (service === undefined) return { good: false, reason: "somebody has removed it meanwhile" };
    // The swarm forgets how the update before ended when it takes this one.
    const rolled = judgeUpdate(service);
    if (rolled !== undefined) return rolled;
    const reason = whyStill(service, await wantedTasks(docker, found.ID));
    still = reason === undefined ? undefined : { since: performance.now(), ...still, reason };
    if (still !== undefined && performance.now() - still.since >= patience * 1000)
      return { good: false, reason: still.reason };
  }
}

async function wantedTasks(docker: Docker, service: string): Promise<SwarmTask[]> {
  const filters = { service: [service], "desired-state": ["running"] };
  return (await docker.listTasks({ filters })) as SwarmTask[];
}

/** Pure: what an update waits for that may never come; undefined where it goes on. */
function whyStill(
  { UpdateStatus }: Pick<SwarmService, "UpdateStatus">,
  tasks: readonly SwarmTask[],
): string | undefined {
  if (!UpdateStatus?.State) return "the swarm does not begin: the nodes of its tasks take no new ones";
  const homeless = tasks.find(({ Status }) => Status.State === "pending" && Status.Err);
  return homeless && `a new task finds no node: ${homeless.Status.Err}`;
}

/** Pure: undefined while an update is under way, or has not begun. */
export function judgeUpdate({ UpdateStatus }: Pick<SwarmService, "UpdateStatus">): Rolled | undefined {
  const { State = "", Message = "" } = UpdateStatus ?? {};
  if (State === "completed") return { good: true };
  if (["paused", "rollback_paused", "rollback_completed"].includes(State))
    return { good: false, reason: `${State.replace("_", " ")}: ${Message}` };
  return undefined;
}
