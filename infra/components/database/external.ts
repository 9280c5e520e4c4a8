/** A PostgreSQL that others run: nothing of it is declared, and the service connects by TLS that is verified. */
import { createHash } from "node:crypto";
import * as pulumi from "@pulumi/pulumi";
import type { Loaded } from "../../config/secrets.ts";
import type { DatabaseConfig } from "./config.ts";
import type { BackupConnection, DatabaseConnection } from "./database.ts";
import { parseDatabaseUrl, type DatabaseAddress } from "./url.ts";

/**
 * Where the service and its migrations connect. Only the password is a secret: the rest stands in variables.
 * @param network the name of one with a way out. @throws Error where the address, which the config's rules want, is not there
 */
export function externalDatabase(
  {
    databaseSecretUrl,
    databaseAuthority,
  }: Loaded<Pick<DatabaseConfig, "databaseSecretUrl" | "databaseAuthority">>,
  network: pulumi.Input<string>,
): DatabaseConnection {
  if (databaseSecretUrl === undefined) throw new Error("omniai:databaseSecretUrl is not set.");
  const address = databaseSecretUrl.apply((text): DatabaseAddress => {
    const parsed = parseDatabaseUrl(text);
    if (parsed === undefined) throw new Error("omniai:databaseSecretUrl is no address that can be used.");
    return parsed;
  });
  const open = <T>(part: (all: DatabaseAddress) => T): pulumi.Output<T> =>
    pulumi.unsecret(address.apply(part));
  return {
    host: open(({ host }) => host),
    port: open(({ port }) => port),
    user: open(({ user }) => user),
    database: open(({ database }) => database),
    password: pulumi.secret(address.apply(({ password }) => password)),
    network,
    identity: open(({ host, port, database }) => identityOf(`${host}:${port}/${database}`)),
    tls: { authority: databaseAuthority },
    ready: [],
  };
}

/** For the backup room the same, which takes dumps of it: a provider gives out no role that may only read. */
export const externalBackup = ({
  host,
  port,
  user,
  database,
  password,
  tls,
  ready,
}: DatabaseConnection): BackupConnection => ({
  ...{ host, port, user, password, ready },
  external: { database, authority: tls?.authority ?? "" },
});

/** Another server or database has to be migrated; a new password has not. */
const identityOf = (place: string): string =>
  createHash("sha256").update(`external ${place}`).digest("hex").slice(0, 32);
