/** The database's config keys: what each may be, and what they become. */
import { z } from "zod";
import {
  certificates,
  cpus,
  image,
  where,
  within,
  type ConfigProblem,
  type Values,
} from "../../config/keys.ts";
import { secret, type Loaded } from "../../config/secrets.ts";
import { externalRules } from "../../config/server-url.ts";
import type { DatabaseArgs } from "./database.ts";
import { parseDatabaseUrl } from "./url.ts";

export const databaseKeys = {
  database: where,
  databaseSecretUrl: secret(
    z.string().refine((text) => text === "" || parseDatabaseUrl(text) !== undefined),
  ).describe(
    "empty, or postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=verify-full: one host, special characters " +
      "percent-encoded, no other sslmode (disable, prefer and require do not check who answers) and no other parameter",
  ),
  databaseAuthority: certificates,
  postgresMemory: within(192, 1_048_576),
  postgresCpus: cpus,
  postgresWalKeep: within(64, 1_048_576),
  postgresImage: image,
};

export type DatabaseConfig = Values<typeof databaseKeys>;

export const DATABASE_PROBLEMS: readonly ((config: DatabaseConfig) => ConfigProblem[])[] =
  externalRules("database");

export const databaseArgs = (
  config: Loaded<DatabaseConfig>,
): Pick<DatabaseArgs, "image" | "memory" | "cpus" | "walKeep"> => ({
  image: config.postgresImage,
  memory: config.postgresMemory,
  cpus: config.postgresCpus,
  walKeep: config.postgresWalKeep,
});
