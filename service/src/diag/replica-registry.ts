/** Which replicas there are, and what streams they have. */
import { between, pause, reasonOf } from "../platform/deadline.ts";
import type { Logger } from "../platform/logging.ts";
import type { RedisLink } from "../platform/redis.ts";
import type { Connection } from "./schema.ts";

export interface ReplicaCount {
  readonly replica: string;
  readonly streams: number;
  readonly max: number;
  readonly ageMs: number;
}

/** What this replica knows about its own streams. */
export interface LocalStreams {
  readonly replica: string;
  readonly max: number;
  readonly size: () => number;
  readonly list: () => Connection[];
}

/** Which replicas there are, and what streams they have. */
export interface ReplicaRegistry {
  readonly own: ReplicaCount;
  start(): void;
  /** Stops, and removes this replica from the registry. */
  stop(): Promise<void>;
  /** This replica first, then the others; undefined when they cannot be asked. */
  counts(): Promise<readonly ReplicaCount[] | undefined>;
  /** The streams of all replicas. `missing` names those that have not reported theirs yet; they do at their next beat. */
  connections(
    replicas: readonly string[],
  ): Promise<{ readonly connections: readonly Connection[]; readonly missing: readonly string[] }>;
}

export const registryKeys = {
  /** Hash: replica to its count, as JSON. */
  replicas: "omniai:replicas",
  /** Exists while somebody wants to see the streams one by one. */
  wanted: "omniai:replicas:wanted",
  /** Before a replica's name: its streams, as JSON. */
  streams: "omniai:replicas:streams:",
} as const;

/** After so many missed beats a replica counts as gone. */
const MISSED_BEATS = 4;
const DEADLINE_MS = 800;

/**
 * The registry in Redis. Each replica reports how many streams it has at every beat, and its streams one by one only while
 * an operator asks for them. So nothing grows with the streams while nobody looks.
 */
export class RedisReplicaRegistry implements ReplicaRegistry {
  readonly #redis: RedisLink;
  readonly #local: LocalStreams;
  readonly #beatMs: number;
  readonly #logger: Logger;
  readonly #stop = new AbortController();
  #wasAway = false;

  constructor(redis: RedisLink, local: LocalStreams, beatMs: number, logger: Logger) {
    this.#redis = redis;
    this.#local = local;
    this.#beatMs = beatMs;
    this.#logger = logger;
  }

  start(): void {
    void this.#run();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    const { replica } = this.#local;
    await this.#redis
      .run(200, (client) => client.hDel(registryKeys.replicas, replica))
      .catch(() => undefined);
  }

  async counts(): Promise<readonly ReplicaCount[] | undefined> {
    try {
      const all = await this.#redis.run(DEADLINE_MS, (client) => client.hGetAll(registryKeys.replicas));
      const others = Object.entries(all)
        .filter(([replica]) => replica !== this.#local.replica)
        .map(([replica, text]) => countOf(replica, text))
        .filter((count) => count !== undefined);
      const gone = others.filter(({ ageMs }) => ageMs > this.#goneMs).map(({ replica }) => replica);
      if (gone.length > 0) {
        await this.#redis.run(DEADLINE_MS, (client) => client.hDel(registryKeys.replicas, gone));
      }
      return [this.own, ...others.filter(({ ageMs }) => ageMs <= this.#goneMs)];
    } catch {
      return undefined;
    }
  }

  get own(): ReplicaCount {
    const { replica, max, size } = this.#local;
    return { replica, streams: size(), max, ageMs: 0 };
  }

  async connections(
    replicas: readonly string[],
  ): Promise<{ connections: readonly Connection[]; missing: readonly string[] }> {
    const own = this.#local.list();
    const others = replicas.filter((replica) => replica !== this.#local.replica);
    if (others.length === 0) return { connections: own, missing: [] };
    try {
      const texts = await this.#redis.run(DEADLINE_MS, async (client) => {
        const [, streams] = await Promise.all([
          client.set(registryKeys.wanted, "1", { expiration: { type: "PX", value: 10 * this.#beatMs } }),
          client.mGet(others.map((replica) => registryKeys.streams + replica)),
        ]);
        return streams;
      });
      const missing = others.filter((_, index) => texts[index] === null);
      const told = texts.flatMap((text) => (text === null ? [] : (JSON.parse(text) as Connection[])));
      return { connections: [...own, ...told], missing };
    } catch {
      return { connections: own, missing: others };
    }
  }

  get #goneMs(): number {
    return MISSED_BEATS * this.#beatMs;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        await this.#beat();
        this.#wasAway = false;
      } catch (error) {
        if (!this.#wasAway) this.#logger.debug({ reason: reasonOf(error) }, "replica not announced");
        this.#wasAway = true;
      }
      await pause(between(0.7, 1.3) * this.#beatMs, signal);
    }
  }

  async #beat(): Promise<void> {
    const { replica, list } = this.#local;
    const { streams, max } = this.own;
    const count = JSON.stringify({ streams, max, at: Date.now() });
    const isWanted = await this.#redis.run(DEADLINE_MS, async (client) => {
      const [, wanted] = await Promise.all([
        client.hSet(registryKeys.replicas, replica, count),
        client.exists(registryKeys.wanted),
      ]);
      return wanted === 1;
    });
    if (!isWanted || this.#stop.signal.aborted) return;
    await this.#redis.run(DEADLINE_MS, (client) =>
      client.set(registryKeys.streams + replica, JSON.stringify(list()), {
        expiration: { type: "PX", value: this.#goneMs },
      }),
    );
  }
}

function countOf(replica: string, text: string): ReplicaCount | undefined {
  try {
    const { streams, max, at } = JSON.parse(text) as { streams: number; max: number; at: number };
    // The clocks of two hosts differ: nothing is younger than now.
    return { replica, streams, max, ageMs: Math.max(0, Date.now() - at) };
  } catch {
    return undefined;
  }
}
