/** Whether the edge has room for as many streams as the replicas accept: a limit of its own memory decides, and nothing else says so. */
import {
  memoryForReplicas,
  MOST_CLIENT_CONNECTIONS,
  planEdgeMemory,
  STREAMS_PER_REPLICA,
} from "../../infra/components/edge/memory.ts";
import type { KnownConfig } from "./settings.ts";

/**
 * Pure: what is said of an edge that holds fewer clients than its replicas accept streams; undefined where it holds as many, or
 * as many as an edge takes at most, where a value is not known, and on a swarm.
 */
export function describeEdgeRoom({ edgeMemory, backendReplicas, platform }: KnownConfig): string | undefined {
  // A swarm has an edge on each of its nodes for it, and how many those are only the swarm knows.
  if (platform === "swarm") return undefined;
  if (edgeMemory === undefined || backendReplicas === undefined) return undefined;
  const { clients } = planEdgeMemory(edgeMemory);
  const streams = backendReplicas * STREAMS_PER_REPLICA;
  if (clients >= Math.min(streams, MOST_CLIENT_CONNECTIONS)) return undefined;
  return (
    `With omniai:edgeMemory ${edgeMemory} the edge has room for ${clients} clients, where the replicas accept ${streams} streams: ` +
    `whoever comes beyond that is turned away. Remove it, or set it to ${memoryForReplicas(backendReplicas)} (MiB) or more.`
  );
}
