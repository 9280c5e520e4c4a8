/** Clears what an interrupted run left behind, before the next one changes anything. */
import { listContainers, listNetworks, unlessGone } from "../engine/containers.ts";
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
import { checkDataVolumes } from "./prechecks.ts";
import { runPulumi } from "./run.ts";
import { signals, say, type Session } from "./session.ts";
import { exportState, importState } from "./open-stack.ts";
import type { State } from "./state.ts";

/**
 * The state after clean-up. Needs the stack's lock. What is on the engine is listed before the state is read, so
 * that whatever an update made and recorded meanwhile is known by then.
 */
export async function recover(session: Session): Promise<State> {
  const { docker, stack, handle, backend } = session;
  const containers = await listContainers(docker, stack);
  const networks = await listNetworks(docker, stack);
  const state = await exportState(handle);
  // Another checkout's data on this engine: then its containers are none of our business either.
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
      say(`Network ${network.name} could not be removed: ${error.message}`),
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
      title: `taking what is gone out of the state of stack ${stack}`,
      signals,
      options: { configFile: handle.options.configFile },
      show: false,
      run: (run) => handle.program.refresh({ ...run, target, showSecrets: false }),
    });
  }
  return exportState(handle);
}
