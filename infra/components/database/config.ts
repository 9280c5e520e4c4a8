/** The database's config keys: what each may be, and what they become. */
import { cpus, image, within, type Values } from "../../config/keys.ts";
import type { DatabaseArgs } from "./database.ts";

export const databaseKeys = {
  postgresMemory: within(192, 1_048_576),
  postgresCpus: cpus,
  postgresWalKeep: within(64, 1_048_576),
  postgresImage: image,
};

export type DatabaseConfig = Values<typeof databaseKeys>;

export const databaseArgs = (
  config: DatabaseConfig,
): Pick<DatabaseArgs, "image" | "memory" | "cpus" | "walKeep"> => ({
  image: config.postgresImage,
  memory: config.postgresMemory,
  cpus: config.postgresCpus,
  walKeep: config.postgresWalKeep,
});
