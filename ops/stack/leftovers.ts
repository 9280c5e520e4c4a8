/**
 * What a killed run leaves behind: operations that the state takes for unfinished, and containers and networks on
 * the engine that no state knows. Both are cleared before the next update; volumes never are.
 */
import type { ContainerView, NetworkView } from "../engine/containers.ts";
import {
  nameOf,
  resourcesOf,
  TYPES,
  type PendingOperation,
  type State,
  type StateResource,
} from "./state.ts";

export interface Leftovers {
  readonly containers: readonly ContainerView[];
  readonly networks: readonly NetworkView[];
  readonly operations: readonly PendingOperation[];
}

/** Longer than any container waits for health, ms: one that is older and unknown belongs to no run that goes on. */
export const UNDER_WAY_MS = 15 * 60_000;

/**
 * Pure: what is to be cleared. Whatever the state knows stays, even if it is to be deleted: the edge may still
 * send requests there, and Pulumi deletes it in its order.
 * @param since Unix ms: what was made after it may be another run's, which records it only once it is healthy. Only
 * where our lock keeps no other run out, which is a backend that several machines share.
 */
export function planRecovery(
  state: State,
  containers: readonly ContainerView[],
  networks: readonly NetworkView[],
  since = Infinity,
): Leftovers {
  const known = new Set(resourcesOf(state).map((resource) => resource.id));
  const knownNetworks = new Set(
    resourcesOf(state, TYPES.network).flatMap((network) => [network.id, network.outputs?.["networkId"]]),
  );
  return {
    containers: containers.filter(({ id, created }) => !known.has(id) && Date.parse(created) < since),
    networks: networks.filter(({ id, created }) => !knownNetworks.has(id) && Date.parse(created) < since),
    operations: state.pending_operations ?? [],
  };
}

/**
 * Pure: containers that the state has and the engine has not. Their deletion would fail for ever ("No such
 * container"), and a plain refresh passes over those that are marked for it.
 */
export const goneContainers = (state: State, containers: readonly ContainerView[]): StateResource[] => {
  const there = new Set<string | undefined>(containers.map(({ id }) => id));
  return resourcesOf(state, TYPES.container).filter(({ id }) => !there.has(id));
};

/**
 * Pure: the state made ready for a refresh that takes the gone containers out. One that waited for its deletion while
 * its successor stands is left out at once; any other loses its marks, so that the refresh looks at it.
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
  `Container ${nameOf(urn)} (${(id ?? "").slice(0, 12)}) is in the state but no longer on the engine; it is taken out.`;

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
