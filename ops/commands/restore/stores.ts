/** What is particular to each store whose data a restore can replace. */
import { HEALTH_COMMAND } from "../../../infra/components/cache/redis.ts";
import { nameOf, resourcesOf, types, type State } from "../../stack/state.ts";

export interface Store {
  readonly workload: "postgres" | "redis";
  readonly title: string;
  /** Where the backup room has kept what is restored, in its volume. */
  readonly restored: string;
  /** What is in every such folder. */
  readonly proof: string;
  /** Ends with 0 when the server answers. */
  readonly ready: readonly string[];
  /** Pure: the stack's commands that bring restored data up to date, because a backup may be older than they are. */
  readonly commands: (state: State) => string[];
}

/** Pure: the commands that bring a database to what the stack needs: its roles with their passwords, and its schema. */
export const databaseCommands = (state: State): string[] =>
  resourcesOf(state, types.command)
    .map(({ urn }) => urn)
    .filter((urn) => /-(postgres-provision|postgres-synchronous|backend-migrate)$/.test(nameOf(urn)));

export const postgresStore: Store = {
  workload: "postgres",
  title: "PostgreSQL",
  restored: "restored/data",
  proof: "PG_VERSION",
  ready: ["pg_isready", "-q", "-h", "127.0.0.1"],
  commands: databaseCommands,
};

export const redisStore: Store = {
  workload: "redis",
  title: "Redis",
  restored: "restored-redis/data",
  proof: "appendonlydir",
  ready: HEALTH_COMMAND,
  // Its users and settings are files of the stack's own, not of its data.
  commands: () => [],
};
