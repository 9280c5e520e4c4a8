/** How the memory of the edge is divided: what nginx took in measurements, see docs/decisions/0093-edge-memory.md. Pure. */

/** How many workers nginx has. */
export const WORKERS = 2;

/** What one worker has at most, however much memory there is. */
const MOST_WORKER_CONNECTIONS = 8192;

/** How many clients the edge has room for at most: each takes a second connection, to a replica. */
export const MOST_CLIENT_CONNECTIONS = (WORKERS * MOST_WORKER_CONNECTIONS) / 2;

/** How many streams one replica accepts: the service's OMNIAI_MAX_STREAMS, which no stack sets. */
export const STREAMS_PER_REPLICA = 2500;

/** The kernel does not divide connections evenly between the workers, and one that is full refuses while the other has room. */
const UNEVENNESS = 1.2;

/**
 * Half of what the dearest usual client takes: a stream over TLS and HTTP/2, whose two connections need 60 KiB of nginx and
 * 6 KiB of the kernel, and a margin.
 */
const connectionKib = { data: 33, kernel: 3 };
const EACH_KIB = connectionKib.data + connectionKib.kernel;

/** What a process of nginx takes without any connection, MiB. */
const PROCESS_MIB = 8;

/**
 * Workers of this configuration beside those of the one before, which keep what they took until their last connection is
 * gone: glibc gives little of it back.
 */
const GENERATIONS = 2;

/** Zones, MiB: four of the limits (limits.ts) with 10 each, the sessions of TLS with 2, and the replicas' state. */
const ZONES_MIB = 43;

/**
 * What comes and goes beside nginx on one engine, MiB: `nginx -t` of a switch and of the look for another certificate
 * (acme.ts), which may be at the same time. On a swarm neither runs, and as much is the most that its page takes (service.ts).
 */
const CHECKS_MIB = 2 * PROCESS_MIB;

/** The shells of the scripts, curl of the health check, tar and base64 of a switch, and what the kernel counts of them, MiB. */
const PROGRAMS_MIB = 13;

/** What is shared or there once, MiB. */
const SHARED_MIB = ZONES_MIB + CHECKS_MIB + PROGRAMS_MIB;

/** What is no connection: the shared parts, the workers, the master. */
const BASE_MIB = SHARED_MIB + (GENERATIONS * WORKERS + 1) * PROCESS_MIB;

/** A limit that leaves each worker some hundreds of clients, MiB; what is less is taken as this. */
export const LEAST_MIB = 160;

export interface EdgeMemory {
  /** The limit of the container, MiB. */
  readonly limit: number;
  /** Connections of one worker, of clients and to replicas together. */
  readonly workerConnections: number;
  /** How many clients there is room for, each with a connection to a replica. */
  readonly clients: number;
  /** What one process may allocate, KiB (RLIMIT_DATA). Whoever asks for more is refused, and nobody is killed. */
  readonly processData: number;
}

/** @param limit the limit of the container in MiB; what is less than 160 is taken as 160. */
export function planEdgeMemory(limit: number): EdgeMemory {
  const taken = Math.max(LEAST_MIB, limit);
  const share = ((taken - BASE_MIB) * 1024) / (GENERATIONS * WORKERS);
  const workerConnections = Math.min(MOST_WORKER_CONNECTIONS, Math.floor(share / EACH_KIB));
  return {
    limit: taken,
    workerConnections,
    clients: Math.floor((WORKERS * workerConnections) / 2),
    processData: PROCESS_MIB * 1024 + Math.floor((share * connectionKib.data) / EACH_KIB),
  };
}

/**
 * The least limit, MiB, with which the edge has room for all streams that so many replicas accept, or for as many as it can. A
 * stack's default is that for as many as it can: a limit that follows the replicas would replace the edge whenever they are scaled.
 */
export function memoryForReplicas(replicas: number): number {
  const clients = Math.min(MOST_CLIENT_CONNECTIONS, Math.ceil(UNEVENNESS * replicas * STREAMS_PER_REPLICA));
  const share = Math.ceil((2 * clients) / WORKERS) * EACH_KIB;
  return Math.ceil((GENERATIONS * WORKERS * share) / 1024) + BASE_MIB;
}

/** Before nginx, in a shell: its workers inherit it. The engine cannot set it, because its own start would not fit in. */
export const limitScript = (limit: number): string => `ulimit -d ${planEdgeMemory(limit).processData}\n`;
