/** Where `npm run dev` keeps things. */
import { join } from "node:path";
import { MemoryRevocations } from "../src/auth/stores/revocations.ts";
import { MemorySessionStore } from "../src/auth/stores/sessions.ts";
import type { Config } from "../src/platform/env/config.ts";
import type { Logger } from "../src/platform/logging.ts";
import { createPool } from "../src/platform/postgres.ts";
import type { Stores } from "../src/stores.ts";
import { SoleReplicaRegistry } from "./replica-registry.ts";
import { FileEventLog } from "./file-log.ts";

/** PGlite, which the parent process serves as PostgreSQL, and a log in `folder`; no Redis. */
export async function devStores(config: Config, logger: Logger, folder: string): Promise<Stores> {
  return {
    pool: createPool(config.postgres, "omniai-dev", logger),
    redis: undefined,
    log: await FileEventLog.load(join(folder, "events.jsonl"), config.events, logger),
    auth: { sessions: new MemorySessionStore(), revocations: new MemoryRevocations(), redis: undefined },
    registry: (local) => new SoleReplicaRegistry(local),
  };
}
