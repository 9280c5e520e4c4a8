/**
 * How an empty volume becomes a data folder of PostgreSQL. It is a step of its own and not the image's entry point, which
 * would do it to any empty volume, also to one that lost its data.
 */
import type { Initialise } from "../../resources/identity.ts";
import { SECRETS_FOLDER } from "../../resources/volume.ts";

/** The file with the superuser's password, among the server's secrets. */
export const PASSWORD_FILE = "superuser-password";

/**
 * Runs in the empty volume. The result is what the official image makes: its locale and encoding, and passwords for
 * whoever comes over the network. initdb wants an empty folder, so it gets one of its own, and PG_VERSION comes up last.
 */
const SCRIPT = `mkdir -m 700 .initdb
initdb --username=postgres --pgdata=.initdb --pwfile=${SECRETS_FOLDER}/${PASSWORD_FILE}
printf '\\nhost all all all scram-sha-256\\n' >> .initdb/pg_hba.conf
mv .initdb/PG_VERSION .initdb-version
mv .initdb/* .
rmdir .initdb
mv .initdb-version PG_VERSION`;

export const initialise: Initialise = {
  script: SCRIPT,
  folder: ".initdb",
  moving: ".initdb-version",
  last: "PG_VERSION",
};
