/** What ops reads of the Docker engine. Everything that belongs to a stack is found by its labels. */
import Docker from "dockerode";
import { OpsError } from "../terminal/errors.ts";

export const LABELS = {
  stack: "io.omniai.stack",
  workload: "io.omniai.workload",
  replica: "io.omniai.replica",
  data: "io.omniai.data",
} as const;

export interface Probe {
  readonly end: string;
  readonly exitCode: number;
  readonly output: string;
}

export interface PublishedPort {
  readonly address: string;
  readonly port: number;
}

/** One container, as far as a person wants to know about it. */
export interface ContainerView {
  readonly id: string;
  readonly name: string;
  readonly workload: string;
  readonly replica: number;
  /** The image's name where the engine has one for it, else its id. */
  readonly image: string;
  /** created, running, paused, restarting, removing, exited or dead. */
  readonly state: string;
  /** healthy, unhealthy, starting, or none where no check is declared. */
  readonly health: string;
  readonly restarts: number;
  readonly exitCode: number;
  readonly oomKilled: boolean;
  readonly error: string;
  readonly created: string;
  readonly startedAt?: string;
  readonly lastProbe?: Probe;
  readonly ports: readonly PublishedPort[];
}

/** A connection to the engine at an address as DOCKER_HOST writes it. */
export function connect(host: string | undefined): Docker {
  if (host === undefined || host === "") return new Docker();
  if (host.startsWith("unix://")) return new Docker({ socketPath: host.slice("unix://".length) });
  if (host.startsWith("npipe://"))
    return new Docker({ socketPath: host.slice("npipe:".length).replaceAll("/", "\\") });
  // docker-modem reads tcp:// and ssh:// with their certificates and agents from the environment.
  process.env["DOCKER_HOST"] = host;
  return new Docker();
}

/** Asks the engine whether it is there. @throws OpsError */
export async function checkEngine(docker: Docker, host: string | undefined): Promise<void> {
  try {
    await docker.ping();
  } catch (error) {
    throw new OpsError(
      `The Docker engine at ${host ?? "the default socket"} does not answer: ${(error as Error).message}`,
      "Start it (Docker Desktop, or `systemctl start docker`), or run `npm run up`, which starts one where it may. `npm run doctor` says more.",
      1,
      { cause: error },
    );
  }
}

/** Filters in the form of the engine's API. */
const byStack = (stack: string, more: readonly string[] = []): { filters: string } => ({
  filters: JSON.stringify({ label: [`${LABELS.stack}=${stack}`, ...more] }),
});

/** Pure: the view of one inspected container. */
export function viewContainer(info: Docker.ContainerInspectInfo): ContainerView {
  const labels = info.Config.Labels;
  const log = info.State.Health?.Log ?? [];
  const last = log[log.length - 1];
  const started = info.State.StartedAt;
  return {
    id: info.Id,
    name: info.Name.replace(/^\//, ""),
    workload: labels[LABELS.workload] ?? "(no workload)",
    replica: Number(labels[LABELS.replica] ?? 0),
    image: info.Config.Image,
    state: info.State.Status,
    health: info.State.Health?.Status ?? "none",
    restarts: info.RestartCount,
    exitCode: info.State.ExitCode,
    oomKilled: info.State.OOMKilled,
    error: info.State.Error,
    created: info.Created,
    // The engine writes year 1 for "never".
    startedAt: started.startsWith("0001-") ? undefined : started,
    lastProbe: last && { end: String(last.End), exitCode: last.ExitCode, output: last.Output.trim() },
    ports: Object.values(
      (info.HostConfig.PortBindings as Record<
        string,
        { HostIp: string; HostPort: string }[] | null
      > | null) ?? {},
    )
      .flatMap((bindings) => bindings ?? [])
      .map(({ HostIp, HostPort }) => ({ address: HostIp, port: Number(HostPort) }))
      .filter(({ port }) => port > 0),
  };
}

/** Running and, where a health check is declared, healthy. */
export const isGood = (view: ContainerView): boolean =>
  view.state === "running" && (view.health === "healthy" || view.health === "none");

const inOrder = (left: ContainerView, right: ContainerView): number =>
  left.workload.localeCompare(right.workload) ||
  left.replica - right.replica ||
  left.created.localeCompare(right.created);

/** Resolves to undefined when the object went away in the meantime. */
export async function unlessGone<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    if ((error as { statusCode?: number }).statusCode === 404) return undefined;
    throw error;
  }
}

/** The containers of a stack, by workload, replica and age. `preferred` are the names that the config gives images. */
export async function listContainers(
  docker: Docker,
  stack: string,
  preferred: readonly string[] = [],
): Promise<ContainerView[]> {
  const found = await docker.listContainers({ all: true, ...byStack(stack) });
  const views = await Promise.all(
    found.map(async ({ Id, Image }) => {
      const info = await unlessGone(docker.getContainer(Id).inspect());
      if (info === undefined) return undefined;
      const view = viewContainer(info);
      return view.image.startsWith("sha256:") && !Image.startsWith("sha256:")
        ? { ...view, image: Image }
        : view;
    }),
  );
  const names = await imageNames(docker, preferred);
  return views
    .filter((view) => view !== undefined)
    .map((view) => ({ ...view, image: names.get(view.image) ?? view.image }))
    .sort(inOrder);
}

/** Containers are declared by image id; people know the image by its name, and by the one in their config at that. */
async function imageNames(docker: Docker, preferred: readonly string[]): Promise<Map<string, string>> {
  const images = await docker.listImages();
  return new Map(
    images.flatMap(({ Id, RepoTags }) => {
      // An older engine writes "<none>:<none>" for an image whose name another one has taken over.
      const tags = (RepoTags ?? []).filter((tag) => !tag.startsWith("<none>"));
      const name = tags.find((tag) => preferred.includes(tag)) ?? tags[0];
      return name === undefined ? [] : [[Id, name] as const];
    }),
  );
}

export interface VolumeView {
  readonly name: string;
  readonly workload?: string;
  readonly data: boolean;
  readonly mountpoint: string;
  /** In bytes; only where the engine was asked for it. */
  readonly size?: number;
}

export async function listVolumes(docker: Docker, stack: string): Promise<VolumeView[]> {
  const { Volumes } = await docker.listVolumes(byStack(stack));
  return (Volumes ?? [])
    .map((volume) => ({
      name: volume.Name,
      workload: volume.Labels?.[LABELS.workload],
      data: volume.Labels?.[LABELS.data] === "true",
      mountpoint: volume.Mountpoint,
    }))
    .sort((left, right) => left.name.localeCompare(right.name));
}

export interface NetworkView {
  readonly id: string;
  readonly name: string;
  readonly created: string;
}

export async function listNetworks(docker: Docker, stack: string): Promise<NetworkView[]> {
  const networks = await docker.listNetworks(byStack(stack));
  return networks.map(({ Id, Name, Created }) => ({ id: Id, name: Name, created: Created }));
}

export interface Usage {
  /** Bytes, without the page cache that the kernel can take back, as `docker stats` counts. */
  readonly memory: number;
  readonly memoryLimit: number;
  /** In percent of one core. */
  readonly cpu: number;
}

/** Pure: use of memory and CPU, out of one answer of the stats API. */
export function usageOf(stats: Docker.ContainerStats): Usage {
  const memory = stats.memory_stats as { usage?: number; limit?: number; stats?: Record<string, number> };
  const cache = memory.stats?.["total_inactive_file"] ?? memory.stats?.["inactive_file"] ?? 0;
  const cpu = stats.cpu_stats.cpu_usage.total_usage - stats.precpu_stats.cpu_usage.total_usage;
  const system = stats.cpu_stats.system_cpu_usage - (stats.precpu_stats.system_cpu_usage ?? 0);
  const cores = stats.cpu_stats.online_cpus || 1;
  return {
    memory: Math.max(0, (memory.usage ?? 0) - cache),
    memoryLimit: memory.limit ?? 0,
    cpu: system > 0 && cpu > 0 ? (cpu / system) * cores * 100 : 0,
  };
}

export async function usage(docker: Docker, id: string): Promise<Usage | undefined> {
  const stats = await unlessGone(docker.getContainer(id).stats({ stream: false }));
  return stats?.memory_stats === undefined ? undefined : usageOf(stats);
}

/** Sizes by volume name. The engine walks the volumes for it, so it may take a while; undefined when too long. */
export async function volumeSizes(
  docker: Docker,
  milliseconds: number,
): Promise<Map<string, number> | undefined> {
  const sizes = async (): Promise<Map<string, number>> => {
    const usage = (await docker.df()) as {
      Volumes?: { Name: string; UsageData?: { Size: number } | null }[] | null;
    };
    return new Map((usage.Volumes ?? []).map(({ Name, UsageData }) => [Name, UsageData?.Size ?? 0]));
  };
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), milliseconds);
  });
  return Promise.race([sizes().catch(() => undefined), late]).finally(() => clearTimeout(timer));
}

/** The last lines that a container wrote, both streams together. */
export async function lastLog(docker: Docker, id: string, tail: number): Promise<string> {
  const log = await unlessGone(
    docker.getContainer(id).logs({ stdout: true, stderr: true, tail, follow: false }),
  );
  return log === undefined ? "" : unframe(log);
}

/**
 * Pure: the text of a finished log. The engine frames each piece with 8 bytes: the stream, three zeros, the length.
 * A container with a terminal has no frames.
 */
export function unframe(log: Buffer): string {
  let text = "";
  let at = 0;
  while (at + 8 <= log.length) {
    if ((log[at] ?? 9) > 2 || log[at + 1] !== 0 || log[at + 2] !== 0 || log[at + 3] !== 0)
      return log.toString("utf8");
    const length = log.readUInt32BE(at + 4);
    text += log.toString("utf8", at + 8, at + 8 + length);
    at += 8 + length;
  }
  return text;
}
