/** The replica registry of `npm run dev`, where there is one replica. */
import type { LocalStreams, ReplicaCount, ReplicaRegistry } from "../src/diag/replica-registry.ts";

/** The registry of `npm run dev`: the replica is the only one. */
export class SoleReplicaRegistry implements ReplicaRegistry {
  readonly #local: LocalStreams;

  constructor(local: LocalStreams) {
    this.#local = local;
  }

  get own(): ReplicaCount {
    const { replica, max, size } = this.#local;
    return { replica, streams: size(), max, ageMs: 0 };
  }

  /** There is nobody to tell. */
  start(): void {}

  async stop(): Promise<void> {}

  counts(): Promise<readonly ReplicaCount[]> {
    return Promise.resolve([this.own]);
  }

  connections(): ReturnType<ReplicaRegistry["connections"]> {
    return Promise.resolve({ connections: this.#local.list(), missing: [] });
  }
}
