/** The Express service: its image, built by content, and its replicas. */
import { join } from "node:path";
import type * as command from "@pulumi/command";
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { dockerCommand } from "../../resources/command.ts";
import { isSwarm, type Engine } from "../../resources/engine.ts";
import { FileSet } from "../../resources/files.ts";
import { publishImage } from "../../resources/published-image.ts";
import { ServiceFiles } from "../../resources/service-files.ts";
import { fromProgram } from "../../resources/program-folder.ts";
import { createPassword } from "../../resources/password.ts";
import { STACK_LABEL, WORKLOAD_LABEL } from "../../resources/labels.ts";
import { shortLived } from "../../resources/short-lived.ts";
import { ServiceWorkload, type ServiceArgs } from "../../service.ts";
import { Workload, type Replica, type WorkloadArgs } from "../../workload.ts";
import type { Loaded } from "../../config/secrets.ts";
import { planProviders, type Provider } from "./providers.ts";
import type { CacheConnection } from "../cache/cache.ts";
import type { DatabaseConnection } from "../database/database.ts";
import { SSL_MODE } from "../database/url.ts";
import { commitOf } from "./commit.ts";
import { authVariables, type AuthConfig } from "./auth.ts";
import { stageContext } from "./context.ts";
import { imageOf } from "./image.ts";
import { createPushSecrets, pushFiles, pushVariables, type PushSecrets } from "./push.ts";
import type { PushSettings } from "./push-config.ts";
import { poolVariables } from "./pool.ts";

export interface BackendArgs {
  readonly engine: Engine;
  /** The folder of the project, where service/ and package-lock.json are. */
  readonly repository: string;
  /** The image of Node 24 that the service is built on. */
  readonly nodeImage: string;
  /** A build whose image is on the engine, to deploy instead of the sources. */
  readonly build?: string;
  readonly networks: readonly pulumi.Input<string>[];
  readonly database: DatabaseConnection;
  readonly cache: CacheConnection;
  readonly surroundings: Surroundings;
  readonly replicas: number;
  /** The memory limit of a replica in MiB. */
  readonly memory: number;
  /** The CPU limit of a replica in cores. */
  readonly cpus: string;
  /** How long a replica may take to become ready before failed health checks count, in seconds. */
  readonly startSeconds: number;
  /** How many reports from pages a replica takes in a minute. */
  readonly clientReportsPerMinute: number;
  readonly corsOrigins: readonly string[];
  /** The AI providers; a key becomes a file that only the service can read. */
  readonly providers: readonly Loaded<Provider>[];
  /** Who may do what, see auth.ts. */
  readonly auth: AuthConfig;
  /** Alerts to the browsers of users; undefined: none. */
  readonly push: PushSettings | undefined;
  /** How many events the log keeps. */
  readonly eventRetention: number;
  /** For how many days reports from pages are kept, and how many at most. */
  readonly clientReportDays: number;
  readonly clientReportsMax: number;
  /** How long a replica answers requests on after SIGTERM, in seconds. */
  readonly switchSeconds: number;
  /** Over how many seconds from SIGTERM on a replica spreads the farewell of its streams. */
  readonly drainSeconds: number;
  readonly logLevel: string;
  /** Where traces are sent to by OTLP over HTTP; empty: nowhere. */
  readonly otlpEndpoint: string;
}

/** What the diagnostics show of the stack around the service: where each part is asked, undefined where there is none. */
export interface Surroundings {
  /** Where the backup room says how fresh the backups are. */
  readonly backups: string | undefined;
  /** Where the gate of web push says that it lives. */
  readonly pushGate: string | undefined;
  /** Where each vmalert says which alerts fire. */
  readonly alerts: readonly string[] | undefined;
  /** Host and port at which the edge answers by TLS. */
  readonly edgeTls: string;
  /** The URL of the stack through its tunnel. */
  readonly tunnel: string | undefined;
}

/**
 * Pure: what only the diagnostics, the traces and web push need. A service refuses to start with a name that it does not know, and
 * an image that a rollback goes back to may be older than these names: it does without them.
 */
const optionalVariables = ({
  build,
  surroundings,
  otlpEndpoint,
  push,
}: BackendArgs): Record<string, string> => {
  const { backups, alerts, edgeTls, tunnel } = surroundings;
  return {
    ...(backups === undefined ? {} : { OMNIAI_BACKUP_STATUS_URL: backups }),
    ...(build
      ? {}
      : {
          ...(otlpEndpoint === "" ? {} : { OMNIAI_OTLP_ENDPOINT: otlpEndpoint }),
          ...(alerts === undefined ? {} : { OMNIAI_ALERTS_URLS: alerts.join(",") }),
          OMNIAI_EDGE_TLS: edgeTls,
          ...(push ? pushVariables(push, SECRETS, surroundings.pushGate) : {}),
          ...(tunnel === undefined ? {} : { OMNIAI_TUNNEL_URL: tunnel }),
        }),
  };
};

const POSTGRES_AUTHORITY = "postgres-authority.pem";
const REDIS_AUTHORITY = "redis-authority.pem";

/** The certificates that alone are trusted, where the config gives some. */
const authorityFiles = ({ database, cache }: BackendArgs): Readonly<Record<string, string>> => ({
  ...(database.tls?.authority ? { [POSTGRES_AUTHORITY]: database.tls.authority } : {}),
  ...(cache.tls?.authority ? { [REDIS_AUTHORITY]: cache.tls.authority } : {}),
});

/** How servers outside of the stack are reached. Redis says it in its URL (rediss). */
const tlsVariables = ({ database, cache }: BackendArgs): Readonly<Record<string, string>> => ({
  ...(database.tls ? { PGSSLMODE: SSL_MODE } : {}),
  ...(database.tls?.authority ? { PGSSLROOTCERT: `${SECRETS}/${POSTGRES_AUTHORITY}` } : {}),
  ...(cache.tls?.authority ? { OMNIAI_REDIS_AUTHORITY_FILE: `${SECRETS}/${REDIS_AUTHORITY}` } : {}),
});

/** What not every service has, and no migration needs. */
const NOT_FOR_MIGRATIONS = ["OMNIAI_COMMIT", "OMNIAI_POSTGRES_POOL_MAX", "OMNIAI_REDIS_AUTHORITY_FILE"];

/**
 * Pure: the variables of a migration, the same names for every stack: the script has each by its name, and another script
 * would be one that the policies do not know. An empty one counts as absent.
 */
const migrationVariables = (
  environment: Readonly<Record<string, pulumi.Input<string>>>,
): Record<string, pulumi.Input<string>> => ({
  PGSSLMODE: "",
  PGSSLROOTCERT: "",
  ...Object.fromEntries(Object.entries(environment).filter(([name]) => !NOT_FOR_MIGRATIONS.includes(name))),
});

/** Where a replica serves. The edge sends requests to the first; only the engine and the monitoring use the second. */
export const PUBLIC_PORT = 8000;
export const INTERNAL_PORT = 9000;

const user = { uid: 1000, gid: 1000 };
const SECRETS = "/run/secrets";

export class Backend extends pulumi.ComponentResource {
  /** What the edge depends on: each replica is healthy. */
  readonly workload: Workload | ServiceWorkload;
  /** The containers of the replicas; in a swarm, where they come and go by themselves, none is known. */
  readonly replicas: readonly Replica[];
  /** What the replicas run: the image's id; in a swarm its digest in the registry. */
  readonly imageId: pulumi.Output<string>;
  readonly names: pulumi.Output<string[]>;
  /** What Alertmanager presents when it tells of alerts; undefined without web push. */
  readonly pushHook: pulumi.Output<string> | undefined;

  constructor(args: BackendArgs, opts?: pulumi.ComponentResourceOptions) {
    const stack = pulumi.getStack();
    super("omniai:backend:Backend", `${stack}-backend`, {}, opts);
    const providers = planProviders(args.providers, SECRETS);
    const { build, imageId } = this.#createImage(args);
    // A random value of its own. A value from a workload that is deleted first would take the replicas down with it.
    const authSecret = createPassword("auth-secret", this, false);
    const push: Partial<PushSecrets> = args.push ? createPushSecrets(args.push, this) : {};
    this.pushHook = push.hook;
    const { key, hook } = push;
    const contents = {
      "postgres-password": args.database.password,
      "redis-password": args.cache.password,
      ...authorityFiles(args),
      "auth-secret": authSecret,
      ...(key !== undefined && hook !== undefined ? pushFiles({ key, hook }) : {}),
      ...providers.keys,
    };
    const files = new FileSet(
      `omniai-${stack}-backend-files`,
      {
        engine: args.engine,
        workload: "backend",
        image: imageId,
        owner: user,
        files: pulumi
          .all(contents)
          .apply((known) =>
            Object.fromEntries(Object.entries(known).map(([path, content]) => [path, { content }])),
          ),
      },
      { parent: this },
    );
    // An existing image does not say which commit it was built from.
    const commit = args.build ? undefined : commitOf(args.repository);
    const environment = {
      OMNIAI_HOST: "0.0.0.0",
      OMNIAI_PORT: String(PUBLIC_PORT),
      OMNIAI_INTERNAL_PORT: String(INTERNAL_PORT),
      OMNIAI_BUILD: build,
      ...(commit === undefined ? {} : { OMNIAI_COMMIT: commit }),
      OMNIAI_STACK: stack,
      OMNIAI_CLIENT_REPORTS_PER_MINUTE: String(args.clientReportsPerMinute),
      OMNIAI_CORS_ORIGINS: args.corsOrigins.join(","),
      ...authVariables(args.auth),
      OMNIAI_AUTH_SECRET_FILE: `${SECRETS}/auth-secret`,
      OMNIAI_EVENT_RETENTION: String(args.eventRetention),
      OMNIAI_EVENT_LOG_BYTES: String(args.cache.eventLogBytes),
      OMNIAI_CLIENT_REPORTS_DAYS: String(args.clientReportDays),
      OMNIAI_CLIENT_REPORTS_MAX: String(args.clientReportsMax),
      OMNIAI_PROVIDERS: providers.list,
      OMNIAI_SWITCH_SECONDS: String(args.switchSeconds),
      OMNIAI_DRAIN_SECONDS: String(args.drainSeconds),
      OMNIAI_LOG_LEVEL: args.logLevel,
      // The edge alone reaches a replica, and names the client in X-Forwarded-For.
      OMNIAI_TRUST_PROXY_HOPS: "1",
      PGHOST: args.database.host,
      PGPORT: pulumi.output(args.database.port).apply(String),
      PGUSER: args.database.user,
      PGDATABASE: args.database.database,
      ...poolVariables(args.replicas),
      OMNIAI_POSTGRES_PASSWORD_FILE: `${SECRETS}/postgres-password`,
      OMNIAI_REDIS_URL: args.cache.url,
      OMNIAI_REDIS_USERNAME: args.cache.user,
      OMNIAI_REDIS_PASSWORD_FILE: `${SECRETS}/redis-password`,
      ...tlsVariables(args),
    };
    const migrated = this.#migrate(args, { imageId, environment, files });
    const { engine, networks } = args;
    const process = {
      engine,
      networks,
      user: `${user.uid}:${user.gid}`,
      environment: { ...environment, ...optionalVariables(args) },
      tmpfs: { "/tmp": "size=16m,mode=1777" },
      // Time for two probes and for the start of the check itself, which is slow on a busy machine.
      health: { command: ["bash", "service/healthcheck.sh"], timeout: 5, startPeriod: args.startSeconds },
      memory: args.memory,
      cpus: args.cpus,
      stopGrace: Math.max(args.switchSeconds, args.drainSeconds) + STOP_MARGIN,
      dependsOn: [...args.database.ready, ...args.cache.ready, migrated],
    } satisfies Partial<WorkloadArgs & ServiceArgs>;
    if (isSwarm(engine)) {
      this.imageId = publishImage(engine, "backend", imageId, this);
      const shared = new ServiceFiles(
        `omniai-${stack}-backend`,
        { engine, workload: "backend", owner: user, folder: SECRETS, secrets: contents },
        { parent: this },
      );
      this.workload = new ServiceWorkload(
        "backend",
        {
          ...process,
          // A swarm ends a task whose check fails, and begins another: while a database is away, that would be all replicas, over and
          // over, and what they can answer without it. So once a replica was ready, only one that hangs fails.
          health: { ...process.health, command: [...process.health.command, "startupz"] },
          tasks: args.replicas,
          image: this.imageId,
          files: shared,
        },
        { parent: this },
      );
      this.replicas = [];
    } else {
      this.imageId = imageId;
      const workload = new Workload(
        "backend",
        {
          ...process,
          kind: "replaceable",
          replicas: args.replicas,
          image: imageId,
          ownEnvironment: (index) => ({ OMNIAI_START_DELAY_SECONDS: String(startDelay(index)) }),
          volumes: [{ volume: files.volumeName, path: SECRETS }],
          pids: 128,
          configHash: files.hash,
        },
        { parent: this },
      );
      this.workload = workload;
      this.replicas = workload.replicas;
    }
    this.names = this.workload.names;
    this.registerOutputs({ names: this.names, imageId: this.imageId });
  }

  /**
   * Brings the database to what this image needs, once, before any of its replicas starts and while the old ones serve.
   * A migration that fails leaves the database as it was and ends the deploy here.
   */
  #migrate(
    args: BackendArgs,
    {
      imageId,
      environment,
      files,
    }: {
      readonly imageId: pulumi.Output<string>;
      readonly environment: Readonly<Record<string, pulumi.Input<string>>>;
      readonly files: FileSet;
    },
  ): command.local.Command {
    const stack = pulumi.getStack();
    const variables = migrationVariables(environment);
    return dockerCommand(
      `omniai-${stack}-backend-migrate`,
      {
        engine: args.engine,
        script: shortLived({
          user: `${user.uid}:${user.gid}`,
          memory: 192,
          pids: 64,
          network: "NETWORK",
          volumes: [{ variable: "FILES", path: SECRETS, readOnly: true }],
          flags: [
            "--init",
            `--label "${STACK_LABEL}=$STACK" --label ${WORKLOAD_LABEL}=migrate`,
            ...Object.keys(variables).map((name) => `-e ${name}`),
          ],
          command: '"$IMAGE" node service/dist/migrate.js',
        }),
        environment: {
          ...variables,
          STACK: stack,
          NETWORK: args.database.network,
          FILES: files.volumeName,
          IMAGE: imageId,
        },
        triggers: [args.database.identity],
        // Its log says what was applied, or why nothing was.
        logging: "stdoutAndStderr",
      },
      { parent: this, dependsOn: [...args.database.ready] },
    );
  }

  /** The image of the sources, or an existing one. An image is named by the hash of its sources, so it is built once. */
  #createImage(args: BackendArgs): { build: string; imageId: pulumi.Output<string> } {
    const { repository, nodeImage } = args;
    const context = args.build
      ? undefined
      : stageContext(repository, join(repository, ".state", "build"), nodeImage);
    const build = context?.hash ?? args.build ?? "";
    const name = imageOf(build);
    const fromSources = context && {
      build: {
        context: fromProgram(context.folder),
        dockerfile: "service/Dockerfile",
        tags: [name],
        buildArgs: { NODE_IMAGE: nodeImage },
      },
      triggers: { content: context.hash },
    };
    const { imageId } = new docker.RemoteImage(
      `omniai-${pulumi.getStack()}-backend`,
      // Kept, so that a rollback has it.
      { name, ...fromSources, keepLocally: true },
      { parent: this, provider: args.engine.provider, deleteBeforeReplace: false },
    );
    return { build, imageId };
  }
}

/**
 * How long a replica waits before it starts, in seconds. Replicas start one after the other, so that they do not take
 * every core at once from those that serve. The wait is never so long that the first health check would come too early.
 */
const startDelay = (index: number): number => ((index - 1) % START_TURNS) * START_TURN;
const START_TURNS = 3;
const START_TURN = 1.2;

/** For requests in flight, closing the pools and a slow host, in seconds. */
const STOP_MARGIN = 15;
