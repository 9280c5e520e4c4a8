/** Clears what an interrupted run left behind, before the next one changes anything. */
import { unlessGone } from "../engine/connection.ts";
import { listContainers, type ContainerView } from "../engine/containers.ts";
import { listNetworks, type NetworkView } from "../engine/networks.ts";
import {
  describeContainer,
  describeGone,
  describeNetwork,
  describeOperation,
  goneContainers,
  planRecovery,
  readyForRefresh,
  UNDER_WAY_MS,
  withoutPending,
} from "./leftovers.ts";
import { externalData } from "./external.ts";
import { remember } from "./forgotten.ts";
import { exportState, importState, type StackHandle } from "./open-stack.ts";
import { checkDataVolumes } from "./prechecks.ts";
import { runPulumi } from "./run.ts";
import type { Session } from "./session.ts";
import type { PendingOperation, State, StateResource } from "./state.ts";
import { say } from "./this-process.ts";

/**
 * Needs the stack's lock. What is on the engine is listed before the state is read, so that everything that an update
 * made meanwhile is recorded in the state by then.
 *
 * In a backend that several machines share, our lock keeps out no run of another machine. What the state says of such a
 * run's operations is first cleared, which waits for Pulumi's own lock: only then is there nobody left to whom they could
 * belong, and only then is the engine as the state will have it.
 * What a run has let the state forget, and did not come to making anew, comes back first.
 * @param check refuses to go on, before anything is cleared. @returns the state after clean-up
 */
export async function recover(
  session: Session,
  check: (state: State) => Promise<void> = () => Promise.resolve(),
): Promise<State> {
  const { docker, stack, handle, backend, settings } = session;
  const found = await look(session);
  // A run that was killed could not do it itself.
  const looked = { ...found, state: await remember(session, found.state) };
  await check(looked.state);
  // If the data belongs to another checkout, its containers are not ours to remove either.
  await checkDataVolumes(docker, stack, looked.state, {
    stateDir: backend.stateDir,
    external: externalData(settings.config),
  });

  const unclear =
    (looked.state.pending_operations ?? []).length > 0 ||
    goneContainers(looked.state, looked.containers).length > 0;
  let gone: readonly StateResource[] = [];
  if (unclear) {
    const cleared = await clearState(handle, () => listContainers(docker, stack));
    for (const operation of cleared.operations) say(describeOperation(operation));
    for (const container of cleared.gone) say(describeGone(container));
    gone = cleared.gone;
  }
  await removeLeftovers(session, unclear ? await look(session) : looked);
  const target = [...new Set(gone.map(({ urn }) => urn))];
  if (target.length > 0) {
    await runPulumi({
      title: `removing what is gone from the state of stack ${stack}`,
      options: { configFile: handle.options.configFile },
      show: false,
      run: (run) => handle.program.refresh({ ...run, target, showSecrets: false }),
    });
  }
  return unclear ? exportState(handle) : looked.state;
}

interface Sight {
  readonly containers: readonly ContainerView[];
  readonly networks: readonly NetworkView[];
  readonly state: State;
}

async function look({ docker, stack, handle }: Session): Promise<Sight> {
  const containers = await listContainers(docker, stack);
  const networks = await listNetworks(docker, stack);
  return { containers, networks, state: await exportState(handle) };
}

/**
 * Takes the operations that are still pending, and the marks of what is gone, out of the state.
 * @param list the containers that are on the engine. @returns what it took out, of the state that it has replaced
 */
export async function clearState(
  handle: Pick<StackHandle, "name" | "state" | "waiting">,
  list: () => Promise<readonly ContainerView[]>,
): Promise<{
  readonly operations: readonly PendingOperation[];
  readonly gone: readonly StateResource[];
}> {
  let cleared: Awaited<ReturnType<typeof clearState>> = { operations: [], gone: [] };
  await importState(handle, async (exported) => {
    const clean = withoutPending(exported);
    const gone = goneContainers(clean, await list());
    cleared = { operations: exported.pending_operations ?? [], gone };
    return readyForRefresh(clean, gone);
  });
  return cleared;
}

async function removeLeftovers(
  { docker, backend }: Session,
  { state, containers, networks }: Sight,
): Promise<void> {
  const since = backend.folder === undefined ? Date.now() - UNDER_WAY_MS : undefined;
  const leftovers = planRecovery(state, containers, networks, since);
  for (const container of leftovers.containers) {
    say(describeContainer(container));
    await unlessGone(docker.getContainer(container.id).remove({ force: true }));
  }
  for (const network of leftovers.networks) {
    say(describeNetwork(network));
    await unlessGone(docker.getNetwork(network.id).remove()).catch((error: Error) =>
      say(`Network ${network.name} could not be removed, and stays: ${error.message}`),
    );
  }
}
