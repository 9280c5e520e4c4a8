/** The containers of a stack as a person wants to see them, found on the engine by the stack's label. */
import type Docker from "dockerode";
import { REPLICA_LABEL, WORKLOAD_LABEL } from "../../infra/resources/labels.ts";
import { unlessGone } from "./connection.ts";
import { byStack } from "./stack-filter.ts";

export interface Probe {
  readonly end: string;
  readonly exitCode: number;
  readonly output: string;
}

export interface PublishedPort {
  readonly address: string;
  readonly port: number;
}

/** The engine's own label on a container that a swarm has put there: its service makes and removes it, and nobody else. */
export const TASK_LABEL = "com.docker.swarm.task.id";

/** One container, as far as a person wants to know about it. */
export interface ContainerView {
  readonly id: string;
  readonly name: string;
  readonly workload: string;
  readonly replica: number;
  /** Whether it is a task of a service. The state knows the service and none of its tasks. */
  readonly isTask?: boolean;
  /** The image's name if the engine has one for it, else its id. */
  readonly image: string;
  /** created, running, paused, restarting, removing, exited or dead. */
  readonly state: string;
  /** healthy, unhealthy, starting, or none when no check is declared. */
  readonly health: string;
  /** How long it may take to become healthy, in seconds: the start period of its health check. */
  readonly startSeconds: number;
  readonly restarts: number;
  readonly exitCode: number;
  readonly oomKilled: boolean;
  readonly error: string;
  readonly created: string;
  readonly startedAt?: string;
  readonly lastProbe?: Probe;
  readonly ports: readonly PublishedPort[];
}

/** Which part of the stack a container is. */
export type Identity = Pick<ContainerView, "workload" | "replica">;

/** Pure: what a container's labels say about it. */
export const identityOf = (labels: Readonly<Record<string, string>>): Identity => ({
  workload: labels[WORKLOAD_LABEL] ?? "(no workload)",
  replica: Number(labels[REPLICA_LABEL] ?? 0),
});

/** Pure: the view of one inspected container. */
export function viewContainer(info: Docker.ContainerInspectInfo): ContainerView {
  const log = info.State.Health?.Log ?? [];
  const last = log[log.length - 1];
  const started = info.State.StartedAt;
  return {
    id: info.Id,
    name: info.Name.replace(/^\//, ""),
    ...identityOf(info.Config.Labels),
    ...(TASK_LABEL in info.Config.Labels ? { isTask: true } : {}),
    image: info.Config.Image,
    state: info.State.Status,
    health: info.State.Health?.Status ?? "none",
    startSeconds: (info.Config.Healthcheck?.StartPeriod ?? 0) / 1e9,
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

/** Running and, if a health check is declared, healthy. */
export const isGood = (view: ContainerView): boolean =>
  view.state === "running" && (view.health === "healthy" || view.health === "none");

/** A swarm keeps what is left of former tasks for a while, for whoever asks why they ended. */
const isHistory = ({ isTask = false, state }: ContainerView): boolean =>
  isTask && ["exited", "dead", "created"].includes(state);

const inOrder = (left: ContainerView, right: ContainerView): number =>
  left.workload.localeCompare(right.workload) ||
  left.replica - right.replica ||
  left.created.localeCompare(right.created);

/**
 * The containers of a stack, by workload, replica and age; of a swarm those on this node.
 * @param preferred the names that the config gives images.
 */
export async function listContainers(
  docker: Docker,
  stack: string,
  preferred: readonly string[] = [],
): Promise<ContainerView[]> {
  const [found, names] = await Promise.all([
    docker.listContainers({ all: true, ...byStack(stack) }),
    imageNamesById(docker, preferred),
  ]);
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
  return views
    .filter((view) => view !== undefined)
    .filter((view) => !isHistory(view))
    .map((view) => ({ ...view, image: names.get(view.image) ?? view.image }))
    .sort(inOrder);
}

/** Containers are declared by image id, and people know an image by its name, best of all by the one in their config. */
async function imageNamesById(docker: Docker, preferred: readonly string[]): Promise<Map<string, string>> {
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
