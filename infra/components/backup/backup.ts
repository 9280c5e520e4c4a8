/** The backup room: a container of its own that takes backups over the network, and proves each by restoring it. */
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import type { Engine } from "../../resources/engine.ts";
import { FileSet } from "../../resources/files.ts";
import { useImage } from "../../resources/image.ts";
import { fromProgram } from "../../resources/program-folder.ts";
import { createDataVolume, type DataVolume } from "../../resources/volume.ts";
import { Workload, type Replica } from "../../workload.ts";
import type { CacheBackupConnection } from "../cache/cache.ts";
import type { BackupConnection, ExternalParts } from "../database/database.ts";
import { SSL_MODE } from "../database/url.ts";
import { dataFolderOf } from "../database/version.ts";
import {
  GATE,
  gateUser,
  offsiteEnvironment,
  offsiteFiles,
  planGate,
  renderGate,
  type OffsiteArgs,
} from "../offsite/offsite.ts";
import { buildArgs, CONTEXT, imageOf, ROOM_PROGRAM, sourceHash, type BaseImages } from "./image.ts";
import { createSynchronous, type Postgres } from "./synchronous.ts";

export interface BackupArgs {
  readonly engine: Engine;
  /** The names of the images that the room is built from: its tools then fit the servers. */
  readonly baseImages: BaseImages;
  /** Their ids: another image of the same name is another base. */
  readonly baseImageIds: {
    /** Undefined where others run PostgreSQL: then the room brings the image for itself alone. */
    readonly postgres: pulumi.Input<string> | undefined;
    /** Undefined where the stack has no Redis of its own, and so none to copy. */
    readonly redis: pulumi.Input<string> | undefined;
  };
  /** The name of the data network. */
  readonly network: pulumi.Input<string>;
  /** The network of what is scraped; undefined where nobody watches. */
  readonly metricsNetwork?: pulumi.Input<string>;
  /** The network that leads out, for the gate alone; undefined without copies off-site. */
  readonly egress: pulumi.Input<string> | undefined;
  /** Where copies go off-site; undefined without them. */
  readonly offsite: OffsiteArgs | undefined;
  /** How the room reaches PostgreSQL; undefined for a stack without the room, which keeps the backups it once had. */
  readonly database?: BackupConnection;
  /** Undefined where others run it. */
  readonly postgres: Postgres | undefined;
  /** Whether a commit of PostgreSQL waits until the room has it on its disk. */
  readonly synchronous: boolean;
  /** How the room reaches Redis; undefined where it does not copy it. */
  readonly cache: CacheBackupConnection | undefined;
  /** When a day's backup is due, as HH:MM in `timeZone`. */
  readonly time: string;
  /** How many days' backups are kept. */
  readonly days: number;
  /** The stack's time zone, by its IANA name. */
  readonly timeZone: string;
  /** The memory limit in MiB. */
  readonly memory: number;
  /** The CPU limit in cores. */
  readonly cpus: string;
}

/** The ids of PostgreSQL's user in its image: what is restored here may become the server's own data. */
const user = { uid: 999, gid: 999 };
/** Where the room says of itself how it is; see room/metrics.py. */
export const BACKUP_METRICS_PORT = 9470;
/** For the service's diagnostics, as JSON. Prometheus reads /metrics of the same port. */
export const STATUS_URL = `http://backup:${BACKUP_METRICS_PORT}/status`;
const SECRETS = "/run/secrets";
/**
 * Where the backups lie in the container: the folder that PostgreSQL's image has for a volume. A new volume takes its owner
 * there, and the engine makes no other one. The room's image calls it /backup as well.
 */
const folderOf = ({ baseImages }: BackupArgs): string => dataFolderOf(baseImages.postgres);

const redisEnvironment = ({ host, port, user: name }: CacheBackupConnection): Record<string, string> => ({
  OMNIAI_REDIS_HOST: host,
  OMNIAI_REDIS_PORT: String(port),
  OMNIAI_REDIS_USER: name,
  OMNIAI_REDIS_PASSWORD_FILE: `${SECRETS}/redis-password`,
});

const AUTHORITY = "postgres-authority.pem";

/** A line of libpq's password file, in which two characters mean something else (libpq-pgpass). */
const passwordLine = (role: string, password: string): string =>
  `*:*:*:${[role, password].map((text) => text.replaceAll(/[\\:]/g, "\\$&")).join(":")}\n`;

/** Of a server of others: the one database, and TLS that is verified by the authority or by the list of the image. */
const externalEnvironment = ({
  database,
  authority,
}: ExternalParts): Readonly<Record<string, pulumi.Input<string>>> => ({
  OMNIAI_EXTERNAL_DATABASE: database,
  PGSSLMODE: SSL_MODE,
  PGSSLROOTCERT: authority === "" ? "system" : `${SECRETS}/${AUTHORITY}`,
});

/** A volume for backups, in every stack that runs its own PostgreSQL or has the room, so that no switch of the config can lose it; and the room, where it is on. */
export class Backup extends pulumi.ComponentResource {
  /** Undefined without the room. */
  readonly room:
    | {
        readonly imageId: pulumi.Output<string>;
        readonly names: pulumi.Output<string[]>;
        readonly replicas: readonly Replica[];
        /** The gate's container; undefined without copies off-site. */
        readonly gate: pulumi.Output<string[]> | undefined;
        /** What to depend on before the room is asked for anything. */
        readonly ready: pulumi.Resource;
      }
    | undefined;

  constructor(args: BackupArgs, opts?: pulumi.ComponentResourceOptions) {
    super("omniai:backup:Backup", `${pulumi.getStack()}-backup`, {}, opts);
    const base =
      args.baseImageIds.postgres ?? useImage(args.engine, "postgres", args.baseImages.postgres, this);
    const data = createDataVolume(
      {
        engine: args.engine,
        workload: "backup",
        image: base,
        user: `${user.uid}:${user.gid}`,
        path: folderOf(args),
      },
      this,
    );
    this.room = args.database && this.#createRoom(args, args.database, data, base);
    if (args.postgres)
      createSynchronous(
        { engine: args.engine, postgres: args.postgres, on: args.synchronous, room: this.room?.ready },
        this,
      );
    this.registerOutputs({ room: this.room });
  }

  #createRoom(
    args: BackupArgs,
    { host, port, user: role, password, external, ready }: BackupConnection,
    data: DataVolume,
    base: pulumi.Input<string>,
  ): Backup["room"] {
    const stack = pulumi.getStack();
    const imageId = this.#createImage(args, base);
    const { offsite } = args;
    const gate = offsite && this.#createGate(args, offsite, imageId, external && { host, port });
    const files = new FileSet(
      `omniai-${stack}-backup-files`,
      {
        engine: args.engine,
        workload: "backup",
        image: imageId,
        owner: user,
        files: pulumi
          .all([role, password, args.cache?.password, offsite?.secretKey, offsite?.key])
          .apply(([name, value, cache, secretKey = "", key = ""]) => ({
            pgpass: { content: passwordLine(name, value) },
            ...(external?.authority ? { [AUTHORITY]: { content: external.authority } } : {}),
            ...(cache === undefined ? {} : { "redis-password": { content: cache } }),
            ...(offsite && offsiteFiles(offsite, secretKey, key)),
          })),
      },
      { parent: this },
    );
    const workload = new Workload(
      "backup",
      {
        engine: args.engine,
        kind: "singleton",
        image: imageId,
        user: `${user.uid}:${user.gid}`,
        entrypoint: data.entrypoint,
        command: [...ROOM_PROGRAM, "serve"],
        environment: {
          ...data.environment,
          OMNIAI_STACK: stack,
          OMNIAI_BACKUP_TIME: args.time,
          OMNIAI_BACKUP_DAYS: String(args.days),
          OMNIAI_TIME_ZONE: args.timeZone,
          OMNIAI_PGPASS_FILE: `${SECRETS}/pgpass`,
          PGHOST: host,
          PGPORT: pulumi.interpolate`${port}`,
          PGUSER: role,
          ...(external && externalEnvironment(external)),
          ...(offsite && offsiteEnvironment(offsite)),
          ...(args.cache && redisEnvironment(args.cache)),
        },
        networks: [args.network, ...(args.metricsNetwork === undefined ? [] : [args.metricsNetwork])],
        volumes: [
          { volume: data.name, path: folderOf(args), readOnly: false },
          { volume: files.volumeName, path: SECRETS },
        ],
        tmpfs: {
          "/run/room": `size=1m,mode=0700,uid=${user.uid},gid=${user.gid}`,
          "/tmp": "size=16m,mode=1777",
        },
        health: { command: ["sh", "/opt/healthcheck.sh"], interval: 15, startPeriod: 30 },
        memory: args.memory,
        cpus: args.cpus,
        pids: 128,
        // A run that is told to stop removes what it has half made.
        stopGrace: 30,
        configHash: files.hash,
        dependsOn: [data.claimed, ...ready, ...(args.cache?.ready ?? []), ...(gate ? [gate] : [])],
      },
      { parent: this },
    );
    return {
      imageId,
      names: workload.names,
      replicas: workload.replicas,
      gate: gate?.names,
      ready: workload,
    };
  }

  /** The room has no way out; the gate has one, to the bucket and to a server of others alone, and none of the data. */
  #createGate(
    args: BackupArgs,
    { endpoint }: OffsiteArgs,
    image: pulumi.Output<string>,
    server: Pick<BackupConnection, "host" | "port"> | undefined,
  ): Workload {
    const { engine, network, egress } = args;
    const files = new FileSet(
      `omniai-${pulumi.getStack()}-${GATE}-files`,
      {
        ...{ engine, workload: GATE, image, owner: gateUser },
        files: pulumi.output(server).apply((beside) => renderGate(endpoint, beside)),
      },
      { parent: this },
    );
    return new Workload(
      GATE,
      planGate({
        engine,
        image,
        folder: folderOf(args),
        networks: [network, ...(egress === undefined ? [] : [egress])],
        files,
      }),
      { parent: this },
    );
  }

  #createImage(
    { engine, baseImages, baseImageIds }: BackupArgs,
    base: pulumi.Input<string>,
  ): pulumi.Output<string> {
    const hash = sourceHash(baseImages);
    const name = imageOf(hash);
    return new docker.RemoteImage(
      `omniai-${pulumi.getStack()}-backup`,
      {
        name,
        build: {
          context: fromProgram(CONTEXT),
          dockerfile: "Dockerfile",
          tags: [name],
          buildArgs: buildArgs(baseImages),
        },
        triggers: {
          content: hash,
          base,
          ...(baseImageIds.redis === undefined ? {} : { redis: baseImageIds.redis }),
        },
        keepLocally: true,
      },
      { parent: this, provider: engine.provider, deleteBeforeReplace: false },
    ).imageId;
  }
}
