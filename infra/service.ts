/**
 * A workload on a swarm: the same process as in workload.ts, as one service whose tasks run on several nodes. Only this file
 * knows how a process becomes a service.
 */
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { contentHash } from "./resources/archive.ts";
import { EDGE_NODE_LABEL, STACK_LABEL, toLabels, WORKLOAD_LABEL } from "./resources/labels.ts";
import type { ServiceFiles } from "./resources/service-files.ts";
import { createServiceGate, RELEASE_VARIABLE } from "./resources/service-gate.ts";
import { serviceName } from "./service-name.ts";
import { checkProcess, type WorkloadArgs } from "./workload.ts";

/** What a service has of a workload. A task can have no pids limit, no swap limit and no volume that another node lacks. */
type Shared = Pick<
  WorkloadArgs,
  | ("engine" | "image" | "entrypoint" | "command" | "user" | "environment" | "networks" | "tmpfs" | "health")
  | ("memory" | "cpus" | "stopGrace" | "stopSignal" | "dependsOn")
>;

export interface ServiceArgs extends Shared {
  /** How many tasks, wherever there is room; or one on each node that is labelled for the edge. */
  readonly tasks: number | "edge nodes";
  /** The digest of the image in the registry: repository@sha256:… */
  readonly image: pulumi.Output<string>;
  /** The networks by id: by its name, the service would be replaced in every deploy. */
  readonly networks: readonly pulumi.Input<string>[];
  /** The ports that each of its nodes publishes, on every address it has. Two tasks cannot have one on the same node. */
  readonly ports?: readonly { readonly internal: number; readonly external: number }[];
  /**
   * Memory of each node that all who mount it there see, and that is gone when nobody does: volumes by path, each with its size in
   * KiB. The tasks only read it.
   */
  readonly nodeMemory?: Readonly<Record<string, { readonly volume: string; readonly size: number }>>;
  /** The files that its tasks have. */
  readonly files?: Pick<ServiceFiles, "secrets" | "configs" | "hash">;
}

/** What a service is, and what only its gate needs to know. */
export interface ServicePlan {
  readonly service: docker.ServiceArgs & { readonly name: string };
  /** The hash of all that makes a task. */
  readonly release: pulumi.Output<string>;
  /** How long the swarm may take until every task is of this release and healthy, in seconds. */
  readonly seconds: number;
}

/** How many bytes a MiB has, and how many units of the swarm a core. */
const MIB = 1024 * 1024;
const CORE = 1e9;

/** For what a plan does not count: pulling the image, scheduling, a busy machine. In seconds. */
const MARGIN = 120;

/** How many nodes of the edge are waited for, one after the other. Who has more of them waits for nothing but the rest. */
const EDGE_TURNS = 5;

/** The names of a service and its tasks are names in DNS. */
const LONGEST_NAME = 63;

/**
 * Pure: what the service of a workload is, so that a test can read every field.
 * @throws pulumi.InputPropertyError when the arguments contradict each other.
 */
export function planService(stack: string, name: string, args: ServiceArgs): ServicePlan {
  const fullName = serviceName(stack, name);
  check(fullName, args);
  const { interval = 5, timeout = 3, retries = 3, startPeriod = 30 } = args.health;
  const ports = args.ports ?? [];
  const own = { [STACK_LABEL]: stack, [WORKLOAD_LABEL]: name };
  // While a failing check is told from a slow one.
  const monitor = (interval + timeout) * retries;
  const change = {
    parallelism: 1,
    // A port of a node is one task's: only there the old one has to go first.
    order: ports.length > 0 ? "stop-first" : "start-first",
    monitor: spelled(monitor),
  };
  const task: Omit<docker.types.input.ServiceTaskSpec, "containerSpec"> = {
    resources: {
      limits: { memoryBytes: args.memory * MIB, nanoCpus: Math.round(Number(args.cpus) * CORE) },
    },
    // Without a window, which is the default, the provider reads one back and would see a change.
    restartPolicy: { condition: "any", delay: "1s", window: "0s" },
    // Left out where there is nothing to say: the swarm adds to it what the image runs on.
    ...(args.tasks === "edge nodes"
      ? { placement: { constraints: [`node.labels.${EDGE_NODE_LABEL}==true`] } }
      : {}),
    networksAdvanceds: args.networks.map((id) => ({ id, aliases: [name] })),
    logDriver: { name: "json-file", options: { "max-size": "10m", "max-file": "3" } },
  };
  const container: Omit<docker.types.input.ServiceTaskSpecContainerSpec, "env" | "secrets" | "configs"> = {
    image: args.image,
    // A service has no entry point beside its command.
    commands: args.entrypoint ? [...args.entrypoint] : undefined,
    args: args.command ? [...args.command] : undefined,
    user: args.user,
    // Never another one: the provider replaces a service whose tasks get other labels.
    labels: toLabels(own),
    readOnly: true,
    capDrops: ["ALL"],
    init: true,
    mounts: [
      ...Object.entries(args.tmpfs ?? {}).map(([target, options]) => ({
        type: "tmpfs",
        target,
        tmpfsOptions: planTmpfs(target, options),
      })),
      ...Object.entries(args.nodeMemory ?? {}).map(([target, { volume, size }]) => ({
        type: "volume",
        source: volume,
        target,
        readOnly: true,
        volumeOptions: {
          noCopy: true,
          driverName: "local",
          // Whoever writes into it has a user of its own.
          driverOptions: {
            type: "tmpfs",
            device: "tmpfs",
            o: `size=${size}k,mode=1777,nosuid,nodev,noexec`,
          },
        },
      })),
    ],
    healthcheck: {
      tests: ["CMD", ...args.health.command],
      interval: spelled(interval),
      timeout: spelled(timeout),
      retries,
      startPeriod: spelled(startPeriod),
    },
    stopSignal: args.stopSignal,
    stopGracePeriod: spelled(args.stopGrace),
  };
  const files = args.files?.hash ?? "";
  // By the hash of the files and not by their ids, which a preview does not know.
  const release = pulumi
    .output({ task, container, environment: args.environment, files })
    .apply((known) => contentHash(JSON.stringify(known)));
  const turns = args.tasks === "edge nodes" ? EDGE_TURNS : args.tasks;
  return {
    service: {
      name: fullName,
      labels: toLabels(own),
      mode: args.tasks === "edge nodes" ? { global: true } : { replicated: { replicas: args.tasks } },
      endpointSpec: {
        // Addresses of tasks instead of one for all: virtual ones lose requests, and need a module that not every kernel has.
        mode: "dnsrr",
        ports: ports.map(({ internal, external }) => ({
          targetPort: internal,
          publishedPort: external,
          protocol: "tcp",
          // Past the mesh, for the same reason.
          publishMode: "host",
        })),
      },
      updateConfig: { ...change, failureAction: "rollback" },
      rollbackConfig: { ...change, failureAction: "pause" },
      taskSpec: {
        ...task,
        containerSpec: {
          ...container,
          env: { ...args.environment, [RELEASE_VARIABLE]: release },
          secrets: [...(args.files?.secrets ?? [])],
          configs: [...(args.files?.configs ?? [])],
        },
      },
    },
    release,
    seconds: turns * (startPeriod + monitor + (ports.length > 0 ? args.stopGrace : 0)) + monitor + MARGIN,
  };
}

/** Whole seconds as the provider reads them back ("1m30s", "2m"): any other spelling is a change in every preview. */
export function spelled(seconds: number): string {
  const [hours, minutes, rest] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const text = `${hours > 0 ? `${hours}h` : ""}${minutes > 0 ? `${minutes}m` : ""}${rest > 0 ? `${rest}s` : ""}`;
  return text === "" ? "0s" : text;
}

/** A mount of a service has a size and a mode, and no other option; the engine adds nosuid, nodev and noexec. */
function planTmpfs(target: string, options: string): { sizeBytes: number; mode: number } {
  const given: Readonly<Record<string, string>> = Object.fromEntries(
    options.split(",").map((option) => [option.split("=")[0] ?? "", option.split("=")[1] ?? ""]),
  );
  const { size = "", mode = "", ...others } = given;
  const mebibytes = /^(\d+)m$/.exec(size)?.[1];
  // The provider keeps the last nine bits of a mode, and would see a change in each of the others.
  const permissions = /^[01]?([0-7]{3})$/.exec(mode)?.[1];
  if (mebibytes === undefined || permissions === undefined || Object.keys(others).length > 0) {
    throw new pulumi.InputPropertyError({
      propertyPath: `tmpfs.${target}`,
      reason: `"${options}" has to be size=<MiB>m,mode=<octal> for a service`,
    });
  }
  return { sizeBytes: Number(mebibytes) * MIB, mode: Number.parseInt(permissions, 8) };
}

function check(name: string, args: ServiceArgs): void {
  checkProcess(args, Object.keys(args.environment ?? {}));
  const bad = (propertyPath: string, reason: string): never => {
    throw new pulumi.InputPropertyError({ propertyPath, reason });
  };
  if (name.length > LONGEST_NAME)
    bad("name", `"${name}" is longer than ${LONGEST_NAME} characters: give the stack a shorter name`);
  if (typeof args.tasks === "number" && (args.ports ?? []).length > 0) {
    bad("ports", "only a task that is alone on its node can publish ports");
  }
  for (const [key, value] of Object.entries(args.environment ?? {})) {
    if (typeof value === "string" && value.includes("{{"))
      bad(`environment.${key}`, "has {{ in it, which a swarm takes for the begin of a template");
  }
}

/** The service of one process. What depends on it goes on only when each task is of this release and healthy. */
export class ServiceWorkload extends pulumi.ComponentResource {
  /** The service's name, known once all of its tasks are healthy; a list, as a workload has one. */
  readonly names: pulumi.Output<string[]>;

  constructor(name: string, args: ServiceArgs, opts?: pulumi.ComponentResourceOptions) {
    const stack = pulumi.getStack();
    super("omniai:workload:Service", `${stack}-${name}`, {}, opts);
    const { service, release, seconds } = planService(stack, name, args);
    const created = new docker.Service(service.name, service, {
      parent: this,
      provider: args.engine.provider,
      dependsOn: [...(args.dependsOn ?? [])],
      // Its name is that by which others find it, so there cannot be two.
      deleteBeforeReplace: true,
      // The swarm fills in what the image runs on, and that would be a change in the next deploy.
      ignoreChanges: args.tasks === "edge nodes" ? ["taskSpec.placement.platforms"] : [],
    });
    const gate = createServiceGate(
      service.name,
      {
        engine: args.engine,
        service: created.id,
        release,
        tasks: args.tasks === "edge nodes" ? undefined : args.tasks,
        seconds,
      },
      { parent: this },
    );
    this.names = pulumi.all([created.name, gate.id]).apply(([known]) => [known]);
    this.registerOutputs({ names: this.names });
  }
}
