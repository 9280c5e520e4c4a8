/** PostgreSQL: one server, its data volume, the service's role and database. */
import type * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { dockerCommand } from "../../resources/command.ts";
import type { Engine } from "../../resources/engine.ts";
import { FileSet } from "../../resources/files.ts";
import { useImage } from "../../resources/image.ts";
import { createPassword } from "../../resources/password.ts";
import { createDataVolume, type DataVolume } from "../../resources/volume.ts";
import { Workload, type Replica } from "../../workload.ts";
import { planBackupSettings, renderAccess, renderBackupRole, renderNoBackup } from "./backup-access.ts";
import { initialise, PASSWORD_FILE } from "./initialise.ts";
import { renderProvision } from "./provision.ts";
import { scramVerifier, stableSalt } from "./scram.ts";
import { dataFolderOf } from "./version.ts";

export interface DatabaseArgs {
  readonly engine: Engine;
  /** The image of PostgreSQL, from 17 on, with the official image's contract. */
  readonly image: string;
  /** The name of the data network. */
  readonly network: pulumi.Input<string>;
  /** The memory limit in MiB. */
  readonly memory: number;
  /** The CPU limit in cores. */
  readonly cpus: string;
  /** With a backup room, which reads the server and receives its log over the network. */
  readonly backups: boolean;
  /** How much of its log the server keeps for a backup room that is away, in MiB. */
  readonly walKeep: number;
}

/** Where and as whom the service connects. */
export interface DatabaseConnection {
  readonly host: pulumi.Input<string>;
  readonly port: pulumi.Input<number>;
  readonly user: pulumi.Input<string>;
  readonly database: pulumi.Input<string>;
  readonly password: pulumi.Output<string>;
  /** The network on which it is reached. */
  readonly network: pulumi.Input<string>;
  /** Undefined on the stack's own network. Else TLS that is verified, by these certificates in PEM or, where empty, by Node's. */
  readonly tls?: { readonly authority: string };
  /** Of the data: another one is another database, which has to be migrated. */
  readonly identity: pulumi.Output<string>;
  /**
   * What to depend on before connecting. It is not part of the password: a value that comes from this singleton would
   * take the service's containers down before each replacement of the singleton.
   */
  readonly ready: readonly pulumi.Resource[];
}

/** What the backup room has to know of a server of others beside where it is. */
export interface ExternalParts {
  /** The one that is dumped. */
  readonly database: pulumi.Input<string>;
  /** Certificates in PEM that alone are trusted; empty: the list of the room's image, which is Mozilla's as well. */
  readonly authority: string;
}

/** Where and as whom the backup room connects. */
export interface BackupConnection extends Pick<
  DatabaseConnection,
  "host" | "port" | "user" | "password" | "ready"
> {
  /** Undefined for the stack's own server. */
  readonly external?: ExternalParts;
}

const user = { uid: 999, gid: 999 };
const SECRETS = "/run/secrets";

/** How a server is provisioned: no commit of it waits for a backup room, which may not be there yet. */
export const PROVISION_OPTIONS = "-c synchronous_commit=local";

/** A shell script that runs the psql script of its standard input on the server in $CONTAINER. */
export const PSQL = `docker exec -i -e PGOPTIONS="${PROVISION_OPTIONS}" "$CONTAINER" psql -X -q -U postgres -d postgres -f -`;

/** Pure: the server's settings for a memory limit in MiB. */
export function planSettings(memory: number): Readonly<Record<string, string>> {
  return {
    shared_preload_libraries: "pg_stat_statements",
    "pg_stat_statements.track": "top",
    // The manual's advice for a dedicated server, with the limit as the server's memory.
    shared_buffers: `${Math.floor(memory / 4)}MB`,
    effective_cache_size: `${Math.floor((memory * 5) / 8)}MB`,
    maintenance_work_mem: `${Math.max(16, Math.floor(memory / 16))}MB`,
    max_connections: "100",
    // A client that has gone must not hold its locks until TCP notices.
    idle_in_transaction_session_timeout: "60s",
    client_connection_check_interval: "10s",
    password_encryption: "scram-sha-256",
    log_min_duration_statement: "1s",
    // Of what is slow, the statement; its values may be secrets.
    log_parameter_max_length: "0",
    log_checkpoints: "on",
    log_lock_waits: "on",
    log_line_prefix: "%m [%p] %q%u@%d ",
  };
}

export class Database extends pulumi.ComponentResource {
  readonly connection: DatabaseConnection;
  /** Only with backups. */
  readonly backup: BackupConnection | undefined;
  readonly imageId: pulumi.Output<string>;
  readonly names: pulumi.Output<string[]>;
  readonly replicas: readonly Replica[];

  constructor(args: DatabaseArgs, opts?: pulumi.ComponentResourceOptions) {
    const stack = pulumi.getStack();
    super("omniai:database:Database", `${stack}-database`, {}, opts);
    this.imageId = useImage(args.engine, "postgres", args.image, this);
    const superuser = createPassword("postgres-superuser", this, true);
    const password = createPassword("postgres-service", this, false);
    const backupPassword = args.backups ? createPassword("postgres-backup", this, false) : undefined;
    const secrets = new FileSet(
      `omniai-${stack}-postgres-files`,
      {
        engine: args.engine,
        workload: "postgres",
        image: this.imageId,
        owner: user,
        files: superuser.apply((content) => ({
          [PASSWORD_FILE]: { content },
          "pg_hba.conf": { content: renderAccess(BACKUP_ROLE) },
        })),
      },
      { parent: this },
    );
    const data = createDataVolume(
      {
        engine: args.engine,
        workload: "postgres",
        image: this.imageId,
        user: `${user.uid}:${user.gid}`,
        path: dataFolderOf(args.image),
        initialise: { ...initialise, secrets: secrets.volumeName },
      },
      this,
    );
    const server = this.#createServer(args, data, secrets);
    const provisioned = this.#provision(args, server, { password, backupPassword }, data);

    this.names = server.names;
    this.replicas = server.replicas;
    const place = { host: "postgres", port: 5432, ready: [server, provisioned] };
    const { identity } = data;
    this.connection = { ...place, user: ROLE, database: ROLE, password, network: args.network, identity };
    this.backup = backupPassword && { ...place, user: BACKUP_ROLE, password: backupPassword };
    this.registerOutputs({ names: this.names, imageId: this.imageId });
  }

  #createServer(args: DatabaseArgs, data: DataVolume, secrets: FileSet): Workload {
    const folder = dataFolderOf(args.image);
    return new Workload(
      "postgres",
      {
        engine: args.engine,
        kind: "singleton",
        image: this.imageId,
        user: `${user.uid}:${user.gid}`,
        entrypoint: data.entrypoint,
        command: [
          "docker-entrypoint.sh",
          "postgres",
          ...Object.entries({
            ...planSettings(args.memory),
            ...(args.backups ? planBackupSettings(args.walKeep) : {}),
            hba_file: `${SECRETS}/pg_hba.conf`,
          }).flatMap(([key, value]) => ["-c", `${key}=${value}`]),
        ],
        environment: { ...data.environment, PGDATA: folder },
        networks: [args.network],
        volumes: [
          { volume: data.name, path: folder, readOnly: false },
          { volume: secrets.volumeName, path: SECRETS },
        ],
        tmpfs: {
          "/var/run/postgresql": `size=1m,mode=0775,uid=${user.uid},gid=${user.gid}`,
          "/tmp": "size=64m,mode=1777",
        },
        // Over TCP, because the server that prepares a new data folder is not ready yet and listens on its socket only.
        health: {
          command: ["pg_isready", "-q", "-h", "127.0.0.1", "-U", "postgres", "-d", "postgres"],
          startPeriod: 60,
        },
        memory: args.memory,
        cpus: args.cpus,
        pids: 256,
        sharedMemory: 128,
        // With less time, a busy server may be killed during its last checkpoint.
        stopGrace: 60,
        configHash: secrets.hash,
        dependsOn: [data.claimed],
      },
      { parent: this },
    );
  }

  #provision(
    args: DatabaseArgs,
    server: Workload,
    { password, backupPassword }: Passwords,
    data: DataVolume,
  ): command.local.Command {
    const verifier = (role: string, value: string): string => scramVerifier(value, stableSalt(role, value));
    const script = pulumi.all([password, backupPassword]).apply(([own, backup]) =>
      [
        renderProvision({ role: ROLE, database: ROLE, verifier: verifier(ROLE, own) }),
        backup === undefined
          ? renderNoBackup(BACKUP_ROLE)
          : renderBackupRole({
              role: BACKUP_ROLE,
              database: ROLE,
              verifier: verifier(BACKUP_ROLE, backup),
            }),
      ].join("\n"),
    );
    return dockerCommand(
      `omniai-${pulumi.getStack()}-postgres-provision`,
      {
        engine: args.engine,
        script: PSQL,
        environment: { CONTAINER: server.names.apply(([name]) => name ?? "") },
        stdin: script,
        triggers: [data.identity],
        logging: "stderr",
      },
      { parent: this, dependsOn: [server], additionalSecretOutputs: ["stdout", "stderr"] },
    );
  }
}

interface Passwords {
  readonly password: pulumi.Output<string>;
  readonly backupPassword: pulumi.Output<string> | undefined;
}

/** The service's role, and the database that it owns. */
const ROLE = "omniai";
/** The backup room's role. It reads everything and writes nothing. */
const BACKUP_ROLE = "omniai_backup";
