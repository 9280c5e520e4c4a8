/** The Express service: its image, built by content, and its replicas. */
import { join } from "node:path";
import * as command from "@pulumi/command";
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import type { Engine } from "../../engine.ts";
import { FileSet } from "../../files.ts";
import { STACK_LABEL, WORKLOAD_LABEL } from "../../labels.ts";
import { Workload } from "../../workload.ts";
import type { CacheConnection } from "../cache/cache.ts";
import type { DatabaseConnection } from "../database/database.ts";
import { stageContext, type BuildContext } from "./context.ts";

export interface BackendArgs {
  readonly engine: Engine;
  /** The folder of the project, where service/ and package-lock.json are. */
  readonly repository: string;
  /** The image of Node 24 that the service is built on. */
  readonly nodeImage: string;
  readonly networks: readonly pulumi.Input<string>[];
  readonly database: DatabaseConnection;
  readonly cache: CacheConnection;
  readonly replicas: number;
  /** The memory limit of a replica in MiB. */
  readonly memory: number;
  /** The CPU limit of a replica in cores. */
  readonly cpus: string;
  /** How long a replica may take to become ready before failed health checks count, in seconds. */
  readonly startSeconds: number;
  readonly corsOrigins: readonly string[];
  /** How many events the log keeps. */
  readonly eventRetention: number;
  /** How long a replica serves on after SIGTERM, in seconds. */
  readonly switchSeconds: number;
  /** Over how many seconds a replica then spreads the farewell of its streams. */
  readonly drainSeconds: number;
  readonly logLevel: string;
}

/** Where a replica serves. The edge sends requests to the first; only the engine and the monitoring use the second. */
export const PUBLIC_PORT = 8000;
export const INTERNAL_PORT = 9000;

const USER = { uid: 1000, gid: 1000 };
const SECRETS = "/run/secrets";

export class Backend extends pulumi.ComponentResource {
  readonly workload: Workload;
  readonly imageId: pulumi.Output<string>;
  readonly names: pulumi.Output<string[]>;

  constructor(args: BackendArgs, opts?: pulumi.ComponentResourceOptions) {
    const stack = pulumi.getStack();
    super("omniai:backend:Backend", `${stack}-backend`, {}, opts);
    const context = stageContext(args.repository, join(args.repository, ".state", "build"), args.nodeImage);
    this.imageId = this.build(args, context);
    const files = new FileSet(
      `omniai-${stack}-backend-files`,
      {
        engine: args.engine,
        workload: "backend",
        image: this.imageId,
        owner: USER,
        files: pulumi.all([args.database.password, args.cache.password]).apply(([postgres, redis]) => ({
          "postgres-password": { content: postgres },
          "redis-password": { content: redis },
        })),
      },
      { parent: this },
    );
    const environment = {
      OMNIAI_HOST: "0.0.0.0",
      OMNIAI_PORT: String(PUBLIC_PORT),
      OMNIAI_INTERNAL_PORT: String(INTERNAL_PORT),
      OMNIAI_BUILD: context.hash,
      OMNIAI_STACK: stack,
      OMNIAI_CORS_ORIGINS: args.corsOrigins.join(","),
      OMNIAI_EVENT_RETENTION: String(args.eventRetention),
      OMNIAI_SWITCH_SECONDS: String(args.switchSeconds),
      OMNIAI_DRAIN_SECONDS: String(args.drainSeconds),
      OMNIAI_LOG_LEVEL: args.logLevel,
      // The edge alone reaches a replica, and names the client in X-Forwarded-For.
      OMNIAI_TRUST_PROXY_HOPS: "1",
      PGHOST: args.database.host,
      PGPORT: String(args.database.port),
      PGUSER: args.database.user,
      PGDATABASE: args.database.database,
      OMNIAI_POSTGRES_PASSWORD_FILE: `${SECRETS}/postgres-password`,
      OMNIAI_REDIS_URL: args.cache.url,
      OMNIAI_REDIS_USERNAME: args.cache.user,
      OMNIAI_REDIS_PASSWORD_FILE: `${SECRETS}/redis-password`,
    };
    const migrated = this.migrate(args, environment, files);
    this.workload = new Workload(
      "backend",
      {
        engine: args.engine,
        kind: "replaceable",
        replicas: args.replicas,
        image: this.imageId,
        user: `${USER.uid}:${USER.gid}`,
        environment,
        networks: args.networks,
        volumes: [{ volume: files.volumeName, path: SECRETS }],
        tmpfs: { "/tmp": "size=16m,mode=1777" },
        health: { command: ["node", "service/healthcheck.mjs"], startPeriod: args.startSeconds },
        memory: args.memory,
        cpus: args.cpus,
        pids: 128,
        stopGrace: args.switchSeconds + args.drainSeconds + STOP_MARGIN,
        configHash: files.hash,
        dependsOn: [...args.database.ready, ...args.cache.ready, migrated],
      },
      { parent: this },
    );
    this.names = this.workload.names;
    this.registerOutputs({ names: this.names, imageId: this.imageId });
  }

  /**
   * Brings the database to what this image needs, once, before any of its replicas starts and while the old ones serve.
   * A migration that fails leaves the database as it was and ends the deploy here.
   */
  private migrate(
    args: BackendArgs,
    environment: Readonly<Record<string, string>>,
    files: FileSet,
  ): command.local.Command {
    const stack = pulumi.getStack();
    const variables = Object.keys(environment)
      .map((name) => ` -e ${name}`)
      .join("");
    return new command.local.Command(
      `omniai-${stack}-backend-migrate`,
      {
        create:
          `docker run --rm --init --read-only --cap-drop ALL --security-opt no-new-privileges ` +
          `--user ${USER.uid}:${USER.gid} --memory 192m --pids-limit 64 --network "$NETWORK" ` +
          `--label ${STACK_LABEL}=${stack} --label ${WORKLOAD_LABEL}=migrate ` +
          `-v "$FILES:${SECRETS}:ro"${variables} "$IMAGE" node service/dist/migrate.js`,
        environment: {
          ...args.engine.environment,
          ...environment,
          NETWORK: args.database.network,
          FILES: files.volumeName,
          IMAGE: this.imageId,
        },
        // Its log names what was applied, or why not.
        logging: "stdoutAndStderr",
        addPreviousOutputInEnv: false,
      },
      { parent: this, dependsOn: [...args.database.ready] },
    );
  }

  private build(args: BackendArgs, context: BuildContext): pulumi.Output<string> {
    const name = `omniai/backend:${context.hash}`;
    return new docker.RemoteImage(
      `omniai-${pulumi.getStack()}-backend`,
      {
        name,
        build: {
          context: context.folder,
          dockerfile: "service/Dockerfile",
          tags: [name],
          buildArgs: { NODE_IMAGE: args.nodeImage },
        },
        triggers: { content: context.hash },
        // Kept, so that a rollback has it.
        keepLocally: true,
      },
      { parent: this, provider: args.engine.provider, deleteBeforeReplace: false },
    ).imageId;
  }
}

/** For requests in flight, closing the pools and a slow host, in seconds. */
const STOP_MARGIN = 15;
