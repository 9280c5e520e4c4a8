/** PostgreSQL: one server, its data volume, the service's role and database. */
import type * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { dockerCommand } from "../../resources/command.ts";
import type { Engine } from "../../resources/engine.ts";
import { FileSet } from "../../resources/files.ts";
import { useImage } from "../../resources/image.ts";
import { createPassword } from "../../resources/password.ts";
import { createDataVolume } from "../../resources/volume.ts";
import { Workload } from "../../workload.ts";
import { renderProvision } from "./provision.ts";
import { scramVerifier, stableSalt } from "./scram.ts";

export interface DatabaseArgs {
  readonly engine: Engine;
  /** The image of PostgreSQL 17, with the official image's contract. */
  readonly image: string;
  /** The name of the data network. */
  readonly network: pulumi.Input<string>;
  /** The memory limit in MiB. */
  readonly memory: number;
  /** The CPU limit in cores. */
  readonly cpus: string;
}

/** Where and as whom the service connects. */
export interface DatabaseConnection {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly database: string;
  readonly password: pulumi.Output<string>;
  /** The network on which it is reached. */
  readonly network: pulumi.Input<string>;
  /**
   * What to depend on before connecting. It is not part of the password: a value that comes from this singleton would
   * take the service's containers down before each replacement of the singleton.
   */
  readonly ready: readonly pulumi.Resource[];
}

const user = { uid: 999, gid: 999 };
const DATA = "/var/lib/postgresql/data";
const SECRETS = "/run/secrets";

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
    log_checkpoints: "on",
    log_lock_waits: "on",
    log_line_prefix: "%m [%p] %q%u@%d ",
  };
}

export class Database extends pulumi.ComponentResource {
  readonly connection: DatabaseConnection;
  readonly imageId: pulumi.Output<string>;
  readonly names: pulumi.Output<string[]>;

  constructor(args: DatabaseArgs, opts?: pulumi.ComponentResourceOptions) {
    const stack = pulumi.getStack();
    super("omniai:database:Database", `${stack}-database`, {}, opts);
    this.imageId = useImage(args.engine, "postgres", args.image, this);
    const superuser = createPassword("postgres-superuser", this, true);
    const password = createPassword("postgres-service", this, false);
    const data = createDataVolume(args.engine, "postgres", this);
    const server = this.#createServer(args, data.name, superuser);
    const provisioned = this.#provision(args, server, password);

    this.names = server.names;
    this.connection = {
      host: "postgres",
      port: 5432,
      user: ROLE,
      database: ROLE,
      password,
      network: args.network,
      ready: [server, provisioned],
    };
    this.registerOutputs({ names: this.names, imageId: this.imageId });
  }

  #createServer(
    args: DatabaseArgs,
    volume: pulumi.Input<string>,
    superuser: pulumi.Output<string>,
  ): Workload {
    const secrets = new FileSet(
      `omniai-${pulumi.getStack()}-postgres-files`,
      {
        engine: args.engine,
        workload: "postgres",
        image: this.imageId,
        owner: user,
        files: superuser.apply((content) => ({ "superuser-password": { content } })),
      },
      { parent: this },
    );
    return new Workload(
      "postgres",
      {
        engine: args.engine,
        kind: "singleton",
        image: this.imageId,
        user: `${user.uid}:${user.gid}`,
        command: [
          "postgres",
          ...Object.entries(planSettings(args.memory)).flatMap(([key, value]) => ["-c", `${key}=${value}`]),
        ],
        environment: { POSTGRES_PASSWORD_FILE: `${SECRETS}/superuser-password`, PGDATA: DATA },
        networks: [args.network],
        volumes: [
          { volume, path: DATA, readOnly: false },
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
      },
      { parent: this },
    );
  }

  #provision(args: DatabaseArgs, server: Workload, password: pulumi.Output<string>): command.local.Command {
    const script = password.apply((value) =>
      renderProvision({
        role: ROLE,
        database: ROLE,
        verifier: scramVerifier(value, stableSalt(ROLE, value)),
      }),
    );
    return dockerCommand(
      `omniai-${pulumi.getStack()}-postgres-provision`,
      {
        engine: args.engine,
        script: 'docker exec -i "$CONTAINER" psql -X -q -U postgres -d postgres -f -',
        environment: { CONTAINER: server.names.apply(([name]) => name ?? "") },
        stdin: script,
        logging: "stderr",
      },
      { parent: this, dependsOn: [server], additionalSecretOutputs: ["stdout", "stderr"] },
    );
  }
}

/** The service's role, and the database that it owns. */
const ROLE = "omniai";
