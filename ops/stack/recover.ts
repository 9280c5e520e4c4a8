/** Clears what an interrupted run left behind, before the next one changes anything. */
import { unlessGone } from "../engine/connection.ts";
import { listContainers } from "../engine/containers.ts";
import { listNetworks } from "../engine/networks.ts";
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
import { exportState, importState } from "./open-stack.ts";
import { checkDataVolumes } from "./prechecks.ts";
import { runPulumi } from "./run.ts";
import type { Session } from "./session.ts";
import type { State } from "./state.ts";
import { say } from "./this-process.ts";

/**
 * Needs the stack's lock. What is on the engine is listed before the state is read, so that everything that an update
 * made meanwhile is recorded in the state by then. @returns the state after clean-up
 */
export async function recover(session: Session): Promise<State> {
  const { docker, stack, handle, backend } = session;
  const containers = await listContainers(docker, stack);
  const networks = await listNetworks(docker, stack);
  const state = await exportState(handle);
  // If the data belongs to another checkout, its containers are not ours to remove either.
  await checkDataVolumes(docker, stack, state, backend.stateDir);

  const since = backend.folder === undefined ? Date.now() - UNDER_WAY_MS : undefined;
  const leftovers = planRecovery(state, containers, networks, since);
  for (const operation of leftovers.operations) say(describeOperation(operation));
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
  const gone = goneContainers(state, containers);
  for (const container of gone) say(describeGone(container));
  if (leftovers.operations.length === 0 && gone.length === 0) return state;

  await importState(handle, (exported) => {
    const clean = withoutPending(exported);
    return readyForRefresh(clean, goneContainers(clean, containers));
  });
  const target = [...new Set(gone.map(({ urn }) => urn))];
  if (target.length > 0) {
    await runPulumi({
      title: `removing what is gone from the state of stack ${stack}`,
      options: { configFile: handle.options.configFile },
      show: false,
      run: (run) => handle.program.refresh({ ...run, target, showSecrets: false }),
    });
  }
  return exportState(handle);
}
