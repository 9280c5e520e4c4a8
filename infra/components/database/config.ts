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

/** Rules of their own: where a secret is encrypted and not known, a rule that reads it says nothing. */
export const DATABASE_PROBLEMS: readonly ((config: DatabaseConfig) => ConfigProblem[])[] = [
  ({ database, databaseSecretUrl: url }) =>
    (database === "external") === (url !== "")
      ? []
      : [
          {
            key: "databaseSecretUrl",
            value: url,
            allowed:
              url === ""
                ? "the address of the server with omniai:database: external"
                : "empty, or omniai:database: external beside it",
          },
        ],
  ({ database, databaseAuthority: authority }) =>
    database !== "external" && authority !== ""
      ? [
          {
            key: "databaseAuthority",
            value: authority,
            allowed: "empty, or omniai:database: external beside it",
          },
        ]
      : [],
];

export const databaseArgs = (
  config: Loaded<DatabaseConfig>,
): Pick<DatabaseArgs, "image" | "memory" | "cpus" | "walKeep"> => ({
  image: config.postgresImage,
  memory: config.postgresMemory,
  cpus: config.postgresCpus,
  walKeep: config.postgresWalKeep,
});
