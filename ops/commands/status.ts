/** `npm run status`: the state of a stack on one page. */
import type Docker from "dockerode";
import { judge, type Holder } from "../../tools/host/lock-file.mjs";
import { askRoom, describeOffsite, describeRoom, roomIn, type RoomStatus } from "../engine/backup-room.ts";
import { describeAcme, describeAcmeProblem, readAcme, type AcmeState } from "../engine/acme.ts";
import { certificateEnd, certificateLine, type CertificateEnd } from "../engine/certificate.ts";
import { isGood, listContainers, type ContainerView } from "../engine/containers.ts";
import { condition, printUrls, urlsOf, type Urls } from "../engine/health-report.ts";
import { describeMaintenance, readMaintenance, type Maintenance } from "../engine/maintenance.ts";
import { describeMonitoring, readMonitoring, type MonitoringSummary } from "../engine/monitoring-summary.ts";
import { readSwarmMaintenance } from "../engine/swarm-maintenance.ts";
import { printSwarm, swarmForJson } from "../engine/swarm-report.ts";
import { isGoodSwarm, readSwarm, type SwarmView } from "../engine/swarm-view.ts";
import { usage, type Usage } from "../engine/usage.ts";
import { listVolumes, volumeSizes, type VolumeView } from "../engine/volumes.ts";
import { stackChanges } from "../stack/changes.ts";
import { describeExternal } from "../stack/external.ts";
import { holderOf, lockFolder, ownLock, pulumiLocks } from "../stack/locks.ts";
import { openEngine, readSavedStack, type SavedStack } from "../stack/look.ts";
import { findPlace, type CommonOptions, type Place } from "../stack/place.ts";
import { imageNames } from "../stack/settings.ts";
import { failedResources, nameOf, outputsOf } from "../stack/state.ts";
import { describeProgress, readProgress } from "../stack/move-progress.ts";
import { rolledBackTo } from "../stack/versions.ts";
import { explain } from "../terminal/errors.ts";
import { npmRun } from "../terminal/npm-run.ts";
import { ago, bytes, paint, print, printJson, table } from "../terminal/output.ts";

interface LastUpdate {
  readonly kind: string;
  readonly result: string;
  readonly time: string;
  readonly changes: Readonly<Record<string, number>>;
}

/** What only Pulumi knows. */
interface StateView {
  readonly lastUpdate?: LastUpdate;
  readonly urls: Urls;
  readonly pending: readonly string[];
  readonly failed: readonly string[];
  /** Only when its end is near. */
  readonly certificate?: CertificateEnd;
}

interface StatusView {
  readonly stack: string;
  readonly healthy: boolean;
  /** Undefined when Pulumi could not be asked; then `note` says why, as it does of a swarm that does not answer. */
  readonly state?: StateView;
  readonly note?: string;
  /** Of a swarm those on the node that was asked. */
  readonly containers: readonly (ContainerView & { usage?: Usage })[];
  /** All nodes, and the tasks on them. */
  readonly swarm?: SwarmView;
  readonly volumes: readonly VolumeView[];
  readonly locks: readonly string[];
  /** True while another run works on the stack, so that what is pending is under way. */
  readonly busy: boolean;
  readonly maintenance?: Maintenance;
  /** Of a stack with a backup room that runs. */
  readonly backups?: RoomStatus;
  /** The servers that others run, a sentence each. */
  readonly external: readonly string[];
  /** Of a stack with certificates of an ACME authority. */
  readonly acme?: AcmeState;
  /** Of a stack that is watched. */
  readonly monitoring?: MonitoringSummary;
  /** The build that a rollback brought, while it serves. */
  readonly rolledBackTo?: string;
  /** The address of the engine. */
  readonly engine: string;
  /** What of a move is not over, or not cleared away. */
  readonly move?: string;
}

/** Pure: the newest update in the form of the JSON output. */
function viewUpdate({ lastUpdate: update }: SavedStack): LastUpdate | undefined {
  return (
    update && {
      kind: update.kind,
      result: update.result,
      time: new Date(update.endTime ?? update.startTime).toISOString(),
      changes: { ...update.resourceChanges },
    }
  );
}

async function readState(place: Place): Promise<StateView> {
  const saved = await readSavedStack(place);
  const { state } = saved;
  // The URLs are in the state as well: asking for the outputs would start the CLI once more.
  const outputs = outputsOf(state);
  return {
    lastUpdate: viewUpdate(saved),
    urls: urlsOf(outputs),
    pending: (state.pending_operations ?? []).map(({ type, resource }) => `${type} ${nameOf(resource.urn)}`),
    failed: failedResources(state).map(({ urn }) => nameOf(urn)),
    certificate: certificateEnd(outputs),
  };
}

/** How long the engine may walk its volumes for their sizes, in ms; after that they are left out. */
const SIZES_MS = 2000;

async function readVolumes(docker: Docker, stack: string): Promise<VolumeView[]> {
  const [volumes, sizes] = await Promise.all([listVolumes(docker, stack), volumeSizes(docker, SIZES_MS)]);
  return volumes.map((volume) => ({ ...volume, size: sizes?.get(volume.name) }));
}

/** The containers, and what two of them say when they are asked. */
async function readContainers(
  docker: Docker,
  { stack, settings }: Place,
): Promise<Pick<StatusView, "containers" | "maintenance" | "backups" | "acme" | "monitoring">> {
  const views = await listContainers(docker, stack, imageNames(stack, settings.config));
  const [containers, maintenance, backups, acme, monitoring] = await Promise.all([
    Promise.all(
      views.map(async (view) => ({
        ...view,
        usage: view.state === "running" ? await usage(docker, view.id) : undefined,
      })),
    ),
    // An edge or a room that cannot be asked is no reason to show nothing else.
    (settings.config.platform === "swarm"
      ? readSwarmMaintenance(docker, stack)
      : readMaintenance(docker, views)
    ).catch(() => undefined),
    readBackups(docker, views).catch(() => undefined),
    readAcme(docker, views).catch(() => undefined),
    readMonitoring(docker, views).catch(() => undefined),
  ]);
  return { containers, maintenance, backups, acme, monitoring };
}

/** Who works on the stack now, and whose interrupted run left a lock behind. */
function readLocks({ backend, settings, stack }: Place): Pick<StatusView, "locks" | "busy"> {
  const own = ownLock(lockFolder(backend), stack);
  const theirs = backend.folder === undefined ? [] : pulumiLocks(backend.folder, settings.project, stack);
  const all = [own, ...theirs].filter((lock) => lock !== undefined);
  const stale = (lock: Holder): boolean => judge(lock) === "stale";
  return {
    busy: !all.every(stale),
    locks: all.map(
      (lock) => `${holderOf(lock)}${stale(lock) ? " (interrupted; the next run goes on from there)" : ""}`,
    ),
  };
}

/** As the checkout that has begun it knows it. */
function describeMove({ backend, stack }: Place): string | undefined {
  const progress = readProgress(backend, stack);
  return progress && describeProgress(progress, stack);
}

async function readBackups(docker: Docker, views: readonly ContainerView[]): Promise<RoomStatus | undefined> {
  const room = roomIn(views);
  return room === undefined
    ? undefined
    : (await askRoom<{ status: RoomStatus }>(docker, room, ["status"])).status;
}

export async function status(options: CommonOptions): Promise<void> {
  const place = findPlace(options);
  // The backend is asked while the way to the engine is made.
  const reading = readState(place).catch((error: unknown) => explain(error));
  const { docker, dockerHost } = await openEngine(place, options);
  const isSwarm = place.settings.config.platform === "swarm";
  const [state, found, volumes, changes, nodes] = await Promise.all([
    reading,
    readContainers(docker, place),
    readVolumes(docker, place.stack),
    stackChanges(docker, place),
    // A swarm that answers nobody is no reason to show nothing else.
    isSwarm ? readSwarm(docker, place.stack).catch((error: unknown) => explain(error)) : undefined,
  ]);
  const swarm = nodes !== undefined && "nodes" in nodes ? nodes : undefined;
  const unknown = nodes !== undefined && "what" in nodes ? [nodes.what, nodes.remedy] : [];
  const notes = [...("what" in state ? [state.what, state.remedy] : []), ...unknown];
  const view: StatusView = {
    stack: place.stack,
    healthy: isSwarm
      ? swarm !== undefined && isGoodSwarm(swarm)
      : found.containers.length > 0 && found.containers.every(isGood),
    swarm,
    volumes,
    external: describeExternal(place.settings.config),
    ...("what" in state ? {} : { state }),
    ...(notes.length > 0 && { note: notes.filter(Boolean).join(" ") }),
    ...found,
    ...readLocks(place),
    engine: dockerHost,
    move: describeMove(place),
    rolledBackTo: rolledBackTo(changes)?.build,
  };
  // Tasks in the place of containers: those of one node alone would look like all that there is.
  if (options.json)
    printJson(swarm === undefined ? view : { ...view, swarm: undefined, ...swarmForJson(swarm) });
  else printStatus(view);
}

function printStatus(view: StatusView): void {
  const { stack, state, note, containers, volumes, locks, busy, maintenance } = view;
  print(paint("bold", `Stack ${stack}`));
  const update = state?.lastUpdate;
  if (update !== undefined) {
    const counts = Object.entries(update.changes)
      .map(([op, count]) => `${count} ${op}`)
      .join(", ");
    const result = paint(update.result === "succeeded" ? "green" : "red", update.result);
    print(
      `  Last ${update.kind}: ${result} ${ago(new Date(update.time))} (${update.time})${counts === "" ? "" : `: ${counts}`}`,
    );
  }
  if (note !== undefined) print(`  ${note}`);
  print(`  Engine: ${view.engine}`);
  if (state !== undefined) printUrls(state.urls);

  print();
  if (view.swarm === undefined) {
    print(paint("bold", "Containers"));
    for (const line of table(containers.map(containerRow))) print(line);
    if (containers.length === 0) print("  none");
  } else {
    const usages = containers.flatMap(({ id, usage: used }) =>
      used === undefined ? [] : [[id, used] as const],
    );
    printSwarm(view.swarm, new Map(usages));
  }

  print();
  print(paint("bold", "Volumes"));
  const rows = volumes.map(({ name, data, size }) => [
    name,
    data ? "data" : "files",
    size === undefined ? "" : bytes(size),
  ]);
  for (const line of table(rows)) print(line);
  if (volumes.length === 0) print("  none");

  if (view.external.length > 0) {
    print();
    print(paint("bold", "Elsewhere"));
    for (const line of view.external) print(`  ${line}`);
  }

  if (view.backups !== undefined) {
    print();
    print(paint("bold", "Backups"));
    print(`  ${describeRoom(view.backups)}`);
    if (view.backups.offsite != null) print(`  ${describeOffsite(view.backups.offsite)}`);
    for (const problem of view.backups.problems) print(`  ${paint("red", problem)}`);
  }

  if (view.acme !== undefined) {
    print();
    print(paint("bold", "Certificate"));
    print(`  ${describeAcme(view.acme)}`);
    const problem = describeAcmeProblem(view.acme);
    if (problem !== undefined) print(`  ${paint("red", problem)}`);
  }

  if (view.monitoring !== undefined) {
    print();
    print(paint("bold", "Alerts"));
    for (const line of describeMonitoring(view.monitoring)) print(`  ${line}`);
  }

  const up = npmRun("up", stack);
  const remarks = [
    ...(view.move === undefined ? [] : [view.move]),
    ...(maintenance === undefined ? [] : [describeMaintenance(maintenance, stack)]),
    ...(view.rolledBackTo === undefined
      ? []
      : [`Rolled back to ${view.rolledBackTo}; the next \`${up}\` goes forward to the sources again.`]),
    ...locks.map((lock) => `Locked by ${lock}.`),
    ...(state?.pending ?? []).map((operation) =>
      busy ? `Under way: ${operation}.` : `Interrupted: ${operation}; the next \`${up}\` clears it.`,
    ),
    ...(state?.failed ?? []).map((name) => `${name} did not get healthy; the next \`${up}\` replaces it.`),
  ];
  if (remarks.length > 0 || state?.certificate !== undefined) print();
  if (state?.certificate !== undefined) print(`  ${certificateLine(state.certificate, stack)}`);
  for (const remark of remarks) print(`  ${paint("yellow", remark)}`);
}

const containerRow = (view: StatusView["containers"][number]): string[] => [
  paint(isGood(view) ? "green" : "red", isGood(view) ? "✓" : "✗"),
  view.workload,
  String(view.replica),
  view.name,
  condition(view),
  view.state === "running" && view.startedAt !== undefined
    ? `up ${ago(new Date(view.startedAt)).replace(/ ago$/, "")}`
    : "",
  view.usage === undefined ? "" : `${bytes(view.usage.memory)} of ${bytes(view.usage.memoryLimit)}`,
  view.usage === undefined ? "" : `${view.usage.cpu.toFixed(1)} % CPU`,
  view.image,
];
