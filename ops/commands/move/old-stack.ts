/** The stack on the machine that it leaves: stopped so that nothing is written any more, started again where the move goes no further. */
import type Docker from "dockerode";
import { dataVolumeName } from "../../../infra/resources/volume.ts";
import { certificatesVolume, copyVolumeName } from "../../../infra/components/certificates/copy-volume.ts";
import { unlessGone } from "../../engine/connection.ts";
import { listContainers, type ContainerView } from "../../engine/containers.ts";
import { execIn } from "../../engine/exec.ts";
import { settledContainers } from "../../engine/health-report.ts";
import { maintenanceSwitch, type Switch } from "../../engine/maintenance.ts";
import { unfence, type End } from "../../engine/volume-copy.ts";
import { listVolumes } from "../../engine/volumes.ts";

/** A volume that goes along. */
export interface Moved {
  readonly name: string;
  /** Whether a server writes there that looks for the identity first. */
  readonly isData: boolean;
  /** Whether every byte is compared. Backups are large, and each carries its own checksums, which the room proves. */
  readonly contents: boolean;
}

/**
 * The volumes whose content is not made anew by a deploy: data, and what an authority has given. What monitoring has seen stays on
 * the old machine.
 */
export async function movedVolumes(docker: Docker, stack: string): Promise<Moved[]> {
  const others = [certificatesVolume(stack), copyVolumeName(stack)];
  return (await listVolumes(docker, stack))
    .filter(
      ({ name, data, workload = "" }) =>
        (data && name === dataVolumeName(stack, workload)) || others.includes(name),
    )
    .map(({ name, data }) => ({
      name,
      isData: data,
      contents: name !== dataVolumeName(stack, "backup"),
    }));
}

/** What visitors are told meanwhile. */
export const MOVING_MESSAGE = "The service is moving to another machine and will be back in a minute.";

/** How visitors reach the stack stays as it is while all else is stopped: they are told to come back. */
const ENTRANCE = ["edge", "cloudflared"];
/** After those that write to them. */
const SERVERS = ["postgres", "redis"];

/** Whether it may write by itself: also one that is between two starts, or paused. */
const ENDED = ["created", "exited", "dead"];
export const isLive = ({ state }: Pick<ContainerView, "state">): boolean => !ENDED.includes(state);

/** Pure: in which order they are stopped; those of one list at the same time. */
export function stopOrder(views: readonly ContainerView[]): ContainerView[][] {
  const some = (test: (workload: string) => boolean): ContainerView[] =>
    views.filter((view) => isLive(view) && test(view.workload));
  return [
    some((one) => one === "backend"),
    some((one) => SERVERS.includes(one)),
    some((one) => ![...ENTRANCE, ...SERVERS, "backend"].includes(one)),
  ];
}

/**
 * How long a replica may go on with what it has begun, in seconds. Nobody new comes to it, so it needs no time for the edge's switch;
 * its streams come back by themselves, with the id of the last event that they saw.
 */
const BACKEND_SECONDS = 5;

/** Has PostgreSQL write what it keeps in memory: its stop waits for less then, and what is written now is copied while the stack serves. */
export async function writeOut(docker: Docker, stack: string): Promise<void> {
  const server = (await listContainers(docker, stack)).find(
    ({ workload, state }) => workload === "postgres" && state === "running",
  );
  if (server === undefined) return;
  const psql = ["psql", "-XqAtU", "postgres", "-d", "postgres", "-c", "CHECKPOINT"];
  // Without it the move takes longer, and nothing else.
  await execIn(docker, server.id, psql).catch(() => undefined);
}

/** Pure: what maintenance tells, to be told again when the stack serves. Without an edge to ask it is what an earlier try has found. */
export const maintainedBy = (
  edge: Pick<Switch, "before"> | undefined,
  { maintained }: { readonly maintained?: string },
): string | undefined => (edge === undefined ? maintained : edge.before?.detail);

/** Refuses writes, then ends whoever could write. The servers end as they do on every stop, with all on disk. */
export async function stopWriting(docker: Docker, stack: string): Promise<void> {
  await (await maintenanceSwitch(docker, stack))?.set(MOVING_MESSAGE);
  for (const group of stopOrder(await listContainers(docker, stack)))
    await Promise.all(
      group.map(({ id, workload }) =>
        unlessSoAlready(
          docker.getContainer(id).stop(workload === "backend" ? { t: BACKEND_SECONDS } : undefined),
        ),
      ),
    );
}

/** Those that run and write. */
export const writersOf = async (docker: Docker, stack: string): Promise<ContainerView[]> =>
  stopOrder(await listContainers(docker, stack)).flat();

/** Lets the old stack serve again. @param ran the ids of those that ran. @param maintained what maintenance goes on to tell */
export async function serveAgain(
  end: End,
  stack: string,
  { ran, maintained }: { readonly ran: readonly string[]; readonly maintained?: string },
): Promise<void> {
  const { docker } = end;
  for (const { name, isData } of await movedVolumes(docker, stack)) if (isData) await unfence(end, name);
  const views = (await listContainers(docker, stack)).filter(({ id }) => ran.includes(id));
  const [backends = [], servers = [], rest = []] = [
    views.filter(({ workload }) => workload === "backend"),
    views.filter(({ workload }) => SERVERS.includes(workload)),
    views.filter(({ workload }) => workload !== "backend" && !SERVERS.includes(workload)),
  ];
  for (const group of [servers, backends, rest]) {
    for (const { id } of group) await unlessSoAlready(docker.getContainer(id).start());
    await settledContainers(docker, stack, 90);
  }
  await (await maintenanceSwitch(docker, stack))?.set(maintained);
}

/** All of the stack's on an engine, whatever they do. Volumes stay. */
export async function removeContainers(docker: Docker, stack: string): Promise<void> {
  for (const { id } of await listContainers(docker, stack))
    await unlessGone(docker.getContainer(id).remove({ force: true, v: true }));
}

/** After the move: the entrance stays and says that the service is elsewhere, but no tunnel leads to it any more. */
export async function leaveEntrance(docker: Docker, stack: string): Promise<void> {
  for (const { id, workload } of await listContainers(docker, stack))
    if (workload !== "edge") await unlessGone(docker.getContainer(id).remove({ force: true }));
}

/** The engine answers 304 where a container has stopped, or was started, since it was looked at. */
async function unlessSoAlready(call: Promise<unknown>): Promise<void> {
  await call.catch((error: unknown) => {
    if ((error as { statusCode?: number }).statusCode !== 304) throw error;
  });
}
