/**
 * Workload: one hardened, long-running process, once or in replicas. Only this file knows how a process becomes
 * containers; the rooms only say what the process is.
 */
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { BACKGROUND_SHARES, spellCpus } from "./config/cpus.ts";
import type { Engine } from "./resources/engine.ts";
import { createGate } from "./resources/gate.ts";
import { CONFIG_LABEL, REPLICA_LABEL, STACK_LABEL, toLabels, WORKLOAD_LABEL } from "./resources/labels.ts";
import { isSecretName } from "./config/secrets.ts";

/** A check that the engine runs inside the container. All times in seconds. */
export interface HealthCheck {
  /** The command and its arguments; exit 0 is healthy. */
  readonly command: readonly string[];
  /** Between two checks; default 5. */
  readonly interval?: number;
  /** For one check; default 3. */
  readonly timeout?: number;
  /** Failures in a row that make it unhealthy; default 3. */
  readonly retries?: number;
  /** After the start, while failures do not count; default 30. */
  readonly startPeriod?: number;
}

/** A place for files in the container. */
export interface VolumeMount {
  readonly volume: pulumi.Input<string>;
  readonly path: string;
  /** Default true: only what holds data is writable. */
  readonly readOnly?: boolean;
}

/** A folder of the host, always read-only. The policies know which may be one. */
export interface HostFolder {
  readonly folder: pulumi.Input<string>;
  readonly path: string;
}

/** A port that the host publishes. Only a singleton can have one, because two containers cannot share it. */
export interface PublishedPort {
  readonly internal: number;
  readonly external: number;
  /** The host address. It has no default here, because the engine's default is every address. */
  readonly address: string;
}

export interface WorkloadArgs {
  readonly engine: Engine;
  /**
   * `replaceable`: a new container is healthy before the old one is told to stop, so replicas have no fixed name and no
   * port. `singleton`: the container owns a port or a data volume, so the old one goes first.
   */
  readonly kind: "singleton" | "replaceable";
  /** How many containers; default 1, always 1 for a singleton. */
  readonly replicas?: number;
  /** The image id: a tag that moves is then no change. */
  readonly image: pulumi.Input<string>;
  /** Replaces the image's entry point. */
  readonly entrypoint?: readonly string[];
  /** Replaces the image's command. */
  readonly command?: readonly string[];
  /** `uid:gid`, never root. */
  readonly user: string;
  /** Settings, but no secrets: a secret is a file, and a variable that ends in _FILE names it. */
  readonly environment?: Readonly<Record<string, pulumi.Input<string>>>;
  /** Settings of one container alone, by its number (1…). */
  readonly ownEnvironment?: (index: number) => Readonly<Record<string, string>>;
  /** The networks by name; the workload's name is its alias in each. */
  readonly networks: readonly pulumi.Input<string>[];
  readonly ports?: readonly PublishedPort[];
  readonly volumes?: readonly VolumeMount[];
  readonly hostFolders?: readonly HostFolder[];
  /** Writable memory by path, with mount options such as "size=16m,uid=999"; rw,nosuid,nodev,noexec are always set. */
  readonly tmpfs?: Readonly<Record<string, string>>;
  readonly health: HealthCheck;
  /** The memory limit in MiB; there is no swap on top. */
  readonly memory: number;
  /** The CPU limit in cores, as a decimal string that `spellCpus` can spell. */
  readonly cpus: string;
  /**
   * Whether it waits while all cores are busy: it gets what the others leave, and a little more (BACKGROUND_SHARES). Its limit can
   * then be far above what it usually takes. Default: false, all get the same.
   */
  readonly isBackground?: boolean;
  /** How many processes and threads at most. */
  readonly pids: number;
  /** /dev/shm in MiB; default: the engine's 64. */
  readonly sharedMemory?: number;
  /** How long it may take to stop before it is killed, in seconds. Also used when it is replaced. */
  readonly stopGrace: number;
  /** Default: the image's. */
  readonly stopSignal?: string;
  /** The hash of the content of its files: another value replaces the containers. */
  readonly configHash?: pulumi.Input<string>;
  /** What must exist before a container starts, beside what the arguments name. */
  readonly dependsOn?: readonly pulumi.Resource[];
}

/** One container of a workload. */
export interface Replica {
  readonly container: docker.Container;
  readonly name: pulumi.Output<string>;
}

/** What a container is, and what only its gate can give it. */
export type ContainerPlan = docker.ContainerArgs & {
  readonly pidsLimit: number;
  readonly waitTimeout: number;
};

/**
 * Pure: what a container of the workload is, so that a test can read every field.
 * @throws pulumi.InputPropertyError when the arguments contradict each other.
 */
export function planContainer(stack: string, name: string, index: number, args: WorkloadArgs): ContainerPlan {
  const environment = { ...args.environment, ...args.ownEnvironment?.(index) };
  check(args, Object.keys(environment));
  const health = {
    interval: args.health.interval ?? 5,
    timeout: args.health.timeout ?? 3,
    retries: args.health.retries ?? 3,
    startPeriod: args.health.startPeriod ?? 30,
  };
  const labels: Record<string, string> = {
    [STACK_LABEL]: stack,
    [WORKLOAD_LABEL]: name,
    [REPLICA_LABEL]: String(index),
  };
  return {
    // A replaceable container gets a random name, so that its successor can run beside it.
    ...(args.kind === "singleton" ? { name: `omniai-${stack}-${name}` } : {}),
    image: args.image,
    entrypoints: args.entrypoint ? [...args.entrypoint] : undefined,
    command: args.command ? [...args.command] : undefined,
    user: args.user,
    envs: Object.entries(environment)
      .sort(([left], [right]) => left.localeCompare(right))
      .map(([key, value]) => pulumi.interpolate`${key}=${value}`),
    labels:
      args.configHash === undefined
        ? toLabels(labels)
        : pulumi.output(args.configHash).apply((hash) => toLabels({ ...labels, [CONFIG_LABEL]: hash })),
    readOnly: true,
    capabilities: { drops: ["ALL"] },
    securityOpts: ["no-new-privileges:true"],
    init: true,
    tmpfs: Object.fromEntries(
      Object.entries(args.tmpfs ?? {}).map(([path, options]) => [path, `rw,nosuid,nodev,noexec,${options}`]),
    ),
    volumes: [
      ...(args.volumes ?? []).map(({ volume, path, readOnly }) => ({
        volumeName: volume,
        containerPath: path,
        readOnly: readOnly ?? true,
      })),
      ...(args.hostFolders ?? []).map(({ folder, path }) => ({
        hostPath: folder,
        containerPath: path,
        readOnly: true,
      })),
    ],
    // Set, because an unset mode shows as a change in every preview.
    networkMode: "bridge",
    networksAdvanced: args.networks.map((network) => ({ name: network, aliases: [name] })),
    ports: (args.ports ?? []).map(({ internal, external, address }) => ({
      internal,
      external,
      ip: address,
      protocol: "tcp",
    })),
    healthcheck: {
      tests: ["CMD", ...args.health.command],
      interval: duration(health.interval),
      timeout: duration(health.timeout),
      retries: health.retries,
      startPeriod: duration(health.startPeriod),
    },
    memory: args.memory,
    memorySwap: args.memory,
    cpus: spellCpus(args.cpus),
    cpuShares: args.isBackground ? BACKGROUND_SHARES : undefined,
    shmSize: args.sharedMemory,
    restart: "unless-stopped",
    mustRun: true,
    logDriver: "json-file",
    logOpts: { "max-size": "10m", "max-file": "3" },
    stopSignal: args.stopSignal,
    stopTimeout: args.stopGrace,
    // How long a replacement waits before it kills; stopTimeout is only for `docker stop`.
    destroyGraceSeconds: args.stopGrace,
    wait: true,
    waitTimeout: health.startPeriod + (health.interval + health.timeout) * health.retries + 10,
    pidsLimit: args.pids,
  };
}

/** Whole seconds as the engine writes them ("1m30s"): any other spelling is a change in every preview. */
export function duration(seconds: number): string {
  const [hours, minutes, rest] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  if (hours > 0) return `${hours}h${minutes}m${rest}s`;
  return minutes > 0 ? `${minutes}m${rest}s` : `${rest}s`;
}

const bad = (propertyPath: string, reason: string): never => {
  throw new pulumi.InputPropertyError({ propertyPath, reason });
};

/** What holds for a process wherever it runs. @throws pulumi.InputPropertyError */
export function checkProcess(args: Pick<WorkloadArgs, "user" | "cpus">, variables: readonly string[]): void {
  if (/^(0|root)?(:|$)/.test(args.user)) bad("user", `"${args.user}" is root; give uid:gid of another user`);
  if (spellCpus(args.cpus) === undefined) {
    bad(
      "cpus",
      `the docker provider reads "${args.cpus}" back as another text; give a number that it keeps, such as "0.5"`,
    );
  }
  for (const key of variables) {
    if (isSecretName(key)) {
      bad(
        `environment.${key}`,
        "looks like a secret; write it to a file and name that in a variable ending in _FILE",
      );
    }
  }
}

function check(args: WorkloadArgs, variables: readonly string[]): void {
  checkProcess(args, variables);
  if (args.kind === "singleton" && (args.replicas ?? 1) !== 1) bad("replicas", "a singleton has exactly one");
  if (args.kind === "replaceable" && (args.ports ?? []).length > 0) {
    bad("ports", "a replaceable workload cannot publish ports; reach it through the edge");
  }
  const internal = (args.ports ?? []).map((port) => port.internal);
  if (new Set(internal).size < internal.length) {
    bad(
      "ports",
      "a port of a container can have one address only: two of them are read back in the engine's own order, and the provider would replace the container on every `up`",
    );
  }
}

/** The containers of one process. What depends on them goes on only when each of them is healthy. */
export class Workload extends pulumi.ComponentResource {
  readonly replicas: readonly Replica[];
  /** The names of the containers, known once all of them are healthy and limited. */
  readonly names: pulumi.Output<string[]>;

  constructor(name: string, args: WorkloadArgs, opts?: pulumi.ComponentResourceOptions) {
    super("omniai:workload:Workload", `${pulumi.getStack()}-${name}`, {}, opts);
    const indexes = Array.from({ length: args.replicas ?? 1 }, (_, index) => index + 1);
    this.replicas = indexes.map((index) => this.#createReplica(name, index, args));
    this.names = pulumi.all(this.replicas.map((replica) => replica.name));
    this.registerOutputs({ names: this.names });
  }

  #createReplica(name: string, index: number, args: WorkloadArgs): Replica {
    const stack = pulumi.getStack();
    const { pidsLimit, ...container } = planContainer(stack, name, index, args);
    const logicalName =
      args.kind === "singleton" ? `omniai-${stack}-${name}` : `omniai-${stack}-${name}-${index}`;
    const created = new docker.Container(logicalName, container, {
      parent: this,
      provider: args.engine.provider,
      dependsOn: [...(args.dependsOn ?? [])],
      deleteBeforeReplace: args.kind === "singleton",
      // The provider silently ignores a changed health check, init or tmpfs. It starts a stopped container in place
      // ("mustRun"), without waiting for its health, and before the program can know its new address. "#initerror" is
      // the engine's mark of a container that never became healthy: the next run makes another one and waits again. A
      // refresh takes that mark away; then the gate keeps the run from going on.
      replaceOnChanges: ["healthcheck", "init", "tmpfs", "mustRun", "#initerror"],
    });
    const gate = createGate(
      logicalName,
      {
        engine: args.engine,
        container: created,
        pids: pidsLimit,
        seconds: container.waitTimeout,
      },
      { parent: this },
    );
    return {
      container: created,
      name: pulumi.all([created.name, gate.id]).apply(([containerName]) => containerName),
    };
  }
}
