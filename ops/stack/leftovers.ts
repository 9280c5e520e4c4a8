/**
 * What a killed run leaves behind: operations that are still pending in the state, and containers and networks on the
 * engine that the state does not know. Both are cleared before the next update; volumes never are.
 */
import type { ContainerView } from "../engine/containers.ts";
import type { NetworkView } from "../engine/networks.ts";
import {
  nameOf,
  resourcesOf,
  types,
  type PendingOperation,
  type State,
  type StateResource,
} from "./state.ts";

export interface Leftovers {
  readonly containers: readonly ContainerView[];
  readonly networks: readonly NetworkView[];
}

/**
 * Longer than any container waits for health once its start period has ended, in ms: an unknown one that is older belongs to
 * no run that still works.
 */
export const UNDER_WAY_MS = 15 * 60_000;

/** The workload of the container that brings the database to what an image needs; it takes as long as it takes. */
const MIGRATION = "migrate";

/** A migration that still works belongs to a run that waits for it, whatever its age; one that is left alone removes itself. */
const isWorking = ({ workload, state }: ContainerView): boolean =>
  workload === MIGRATION && state === "running";

/** When its start period ends, in Unix ms. It is as long as the config of whoever made it says. */
const startEnds = ({ created, startSeconds }: ContainerView): number =>
  Date.parse(created) + startSeconds * 1000;

/**
 * Pure: what has to be cleared. Whatever the state knows stays, even when it waits for its deletion: the edge may still
 * send requests there, and Pulumi deletes it in its own order. Tasks of a service stay: they are the swarm's.
 * @param since in Unix ms. What was made later, or was still starting then, may belong to another run, which records a
 * container only once it is healthy. Needed for a backend that several machines share, because our lock keeps out no run of
 * another machine. A migration that runs stays there however old it is.
 */
export function planRecovery(
  state: State,
  containers: readonly ContainerView[],
  networks: readonly NetworkView[],
  since = Infinity,
): Leftovers {
  const known = new Set(resourcesOf(state).map((resource) => resource.id));
  const knownNetworks = new Set(
    resourcesOf(state, types.network).flatMap((network) => [network.id, network.outputs?.["networkId"]]),
  );
  const shared = since !== Infinity;
  return {
    containers: containers.filter(
      (one) => !one.isTask && !known.has(one.id) && startEnds(one) < since && !(shared && isWorking(one)),
    ),
    networks: networks.filter(({ id, created }) => !knownNetworks.has(id) && Date.parse(created) < since),
  };
}

/**
 * Pure: containers that the state has and the engine has not. Deleting them would fail for ever ("No such container"),
 * and a plain refresh passes over those that are marked for deletion.
 */
export const goneContainers = (state: State, containers: readonly ContainerView[]): StateResource[] => {
  const there = new Set<string | undefined>(containers.map(({ id }) => id));
  return resourcesOf(state, types.container).filter(({ id }) => !there.has(id));
};

/**
 * Pure: the state made ready for a refresh that removes the gone containers from it. A container that waited for its
 * deletion and whose successor is there is removed at once; any other loses its marks, so that the refresh looks at it.
 */
export function readyForRefresh(state: State, gone: readonly StateResource[]): State {
  const lost = new Set(gone);
  const standing = new Set(
    resourcesOf(state)
      .filter((one) => one.delete !== true)
      .map(({ urn }) => urn),
  );
  return {
    ...state,
    resources: resourcesOf(state)
      .filter((one) => !(lost.has(one) && one.delete === true && standing.has(one.urn)))
      .map((one) => {
        if (!lost.has(one)) return one;
        const { delete: _delete, pendingReplacement: _pending, initErrors: _errors, ...plain } = one;
        return plain;
      }),
  };
}

export const describeGone = ({ urn, id }: StateResource): string =>
  `Container ${nameOf(urn)} (${(id ?? "").slice(0, 12)}) is in the state but no longer on the engine; it is removed from the state.`;

/** Pure: the state without its pending operations. */
export function withoutPending(state: State): State {
  const { pending_operations: _, ...rest } = state;
  return rest;
}

/** Pure: one line for a person on a pending operation. */
export const describeOperation = ({ type, resource }: PendingOperation): string =>
  `A former run was interrupted while ${type} ${nameOf(resource.urn)} (${resource.type}); it is done again.`;

export const describeContainer = ({ name, id, workload }: ContainerView): string =>
  `Container ${name} (${id.slice(0, 12)}, ${workload}) is not in the state: an interrupted run left it behind. It is removed.`;

export const describeNetwork = ({ name, id }: NetworkView): string =>
  `Network ${name} (${id.slice(0, 12)}) is not in the state: an interrupted run left it behind. It is removed.`;
