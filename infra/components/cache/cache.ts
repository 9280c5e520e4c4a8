/** Redis: the event log, sessions and limits, on a data volume. */
import * as pulumi from "@pulumi/pulumi";
import type { Engine } from "../../resources/engine.ts";
import { FileSet } from "../../resources/files.ts";
import { useImage } from "../../resources/image.ts";
import { createPassword } from "../../resources/password.ts";
import { createDataVolume } from "../../resources/volume.ts";
import { Workload, type Replica } from "../../workload.ts";
import { planCacheMemory } from "./memory.ts";
import { BACKUP_USER, HEALTH_COMMAND, REDIS_USER, renderRedisConfig, renderUsers } from "./redis.ts";

export interface CacheArgs {
  readonly engine: Engine;
  /** The image of Redis 8, with the official image's contract. */
  readonly image: string;
  /** The name of the data network. */
  readonly network: pulumi.Input<string>;
  /** The memory limit in MiB. */
  readonly memory: number;
  /** The CPU limit in cores. */
  readonly cpus: string;
  /** With a backup room, which copies it over the network. */
  readonly backups: boolean;
}

/** Where and as whom the service connects. */
export interface CacheConnection {
  /** Without user and password. */
  readonly url: pulumi.Input<string>;
  readonly user: pulumi.Input<string>;
  readonly password: pulumi.Output<string>;
  /** What the event log may take of it, in bytes. */
  readonly eventLogBytes: number;
  /** Undefined on the stack's own network; see DatabaseConnection. */
  readonly tls?: { readonly authority: string };
  /** What to depend on before connecting; see DatabaseConnection. */
  readonly ready: readonly pulumi.Resource[];
}

/** Where and as whom the backup room connects. */
export interface CacheBackupConnection {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: pulumi.Output<string>;
  readonly ready: readonly pulumi.Resource[];
}

const user = { uid: 999, gid: 999 };
const HOST = "redis";
const PORT = 6379;
const DATA = "/data";
const SECRETS = "/run/secrets";

export class Cache extends pulumi.ComponentResource {
  readonly connection: CacheConnection;
  /** Only with backups. */
  readonly backup: CacheBackupConnection | undefined;
  readonly imageId: pulumi.Output<string>;
  readonly names: pulumi.Output<string[]>;
  readonly replicas: readonly Replica[];

  constructor(args: CacheArgs, opts?: pulumi.ComponentResourceOptions) {
    const stack = pulumi.getStack();
    super("omniai:cache:Cache", `${stack}-cache`, {}, opts);
    this.imageId = useImage(args.engine, "redis", args.image, this);
    const password = createPassword("redis-service", this, false);
    const backupPassword = args.backups ? createPassword("redis-backup", this, false) : undefined;
    const data = createDataVolume(
      {
        engine: args.engine,
        workload: "redis",
        image: this.imageId,
        user: `${user.uid}:${user.gid}`,
        path: DATA,
      },
      this,
    );
    const files = new FileSet(
      `omniai-${stack}-redis-files`,
      {
        engine: args.engine,
        workload: "redis",
        image: this.imageId,
        owner: user,
        files: pulumi.all([password, backupPassword]).apply(([value, backup]) => ({
          "redis.conf": { content: renderRedisConfig(args.memory) },
          "users.acl": { content: renderUsers(value, backup) },
        })),
      },
      { parent: this },
    );
    const server = new Workload(
      "redis",
      {
        engine: args.engine,
        kind: "singleton",
        image: this.imageId,
        user: `${user.uid}:${user.gid}`,
        entrypoint: data.entrypoint,
        command: ["docker-entrypoint.sh", "redis-server", `${SECRETS}/redis.conf`],
        environment: data.environment,
        networks: [args.network],
        volumes: [
          { volume: data.name, path: DATA, readOnly: false },
          { volume: files.volumeName, path: SECRETS },
        ],
        tmpfs: { "/tmp": "size=1m,mode=1777" },
        health: { command: HEALTH_COMMAND },
        memory: args.memory,
        cpus: args.cpus,
        pids: 64,
        stopGrace: 30,
        configHash: files.hash,
        dependsOn: [data.claimed],
      },
      { parent: this },
    );
    this.names = server.names;
    this.replicas = server.replicas;
    this.connection = {
      url: `redis://${HOST}:${PORT}`,
      user: REDIS_USER,
      password,
      eventLogBytes: planCacheMemory(args.memory).eventLog,
      ready: [server],
    };
    this.backup = backupPassword && {
      host: HOST,
      port: PORT,
      user: BACKUP_USER,
      password: backupPassword,
      ready: [server],
    };
    this.registerOutputs({ names: this.names, imageId: this.imageId });
  }
}
