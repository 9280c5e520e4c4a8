/** `npm run status`: the state of a stack on one page. */
import type { UpdateSummary } from "@pulumi/pulumi/automation/index.js";
import type Docker from "dockerode";
import { judge, type Holder } from "../../tools/host/lock-file.mjs";
import { isGood, listContainers, type ContainerView } from "../engine/containers.ts";
import { condition, printUrls, urlsOf, type Urls } from "../engine/health-report.ts";
import { describeMaintenance, readMaintenance, type Maintenance } from "../engine/maintenance.ts";
import { usage, type Usage } from "../engine/usage.ts";
import { listVolumes, volumeSizes, type VolumeView } from "../engine/volumes.ts";
import { readChanges } from "../stack/audit.ts";
import { holderOf, ownLock, pulumiLocks } from "../stack/locks.ts";
import { exportState } from "../stack/open-stack.ts";
import { findPlace, openEngine, type CommonOptions, type Place } from "../stack/place.ts";
import { openSession } from "../stack/session.ts";
import { imageNames } from "../stack/settings.ts";
import { failedResources, nameOf } from "../stack/state.ts";
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
}

interface StatusView {
  readonly stack: string;
  readonly healthy: boolean;
  /** Undefined when Pulumi could not be asked; then `note` says why. */
  readonly state?: StateView;
  readonly note?: string;
  readonly containers: readonly (ContainerView & { usage?: Usage })[];
  readonly volumes: readonly VolumeView[];
  readonly locks: readonly string[];
  /** True while another run works on the stack, so that what is pending is under way. */
  readonly busy: boolean;
  readonly maintenance?: Maintenance;
  /** The build that a rollback brought, while it serves. */
  readonly rolledBackTo?: string;
}

/** Pure: the newest update in the form of the JSON output. */
function lastUpdateOf(history: readonly UpdateSummary[]): LastUpdate | undefined {
  const update = history[0];
  return (
    update && {
      kind: update.kind,
      result: update.result,
      time: new Date(update.endTime ?? update.startTime).toISOString(),
      changes: { ...update.resourceChanges },
    }
  );
}

async function readState(options: CommonOptions): Promise<StateView> {
  const { handle } = await openSession(options, { create: false, onlyLooking: true });
  const [history, outputs, state] = await Promise.all([
    handle.state.history(1, 1, false),
    handle.state.outputs(),
    exportState(handle),
  ]);
  return {
    lastUpdate: lastUpdateOf(history),
    urls: urlsOf(outputs),
    pending: (state.pending_operations ?? []).map(({ type, resource }) => `${type} ${nameOf(resource.urn)}`),
    failed: failedResources(state).map(({ urn }) => nameOf(urn)),
  };
}

async function readEngine(
  docker: Docker,
  { stack, settings }: Place,
): Promise<Pick<StatusView, "containers" | "volumes">> {
  const [views, volumes, sizes] = await Promise.all([
    listContainers(docker, stack, imageNames(settings.config)),
    listVolumes(docker, stack),
    volumeSizes(docker, 3000),
  ]);
  const containers = await Promise.all(
    views.map(async (view) => ({
      ...view,
      usage: view.state === "running" ? await usage(docker, view.id) : undefined,
    })),
  );
  return { containers, volumes: volumes.map((volume) => ({ ...volume, size: sizes?.get(volume.name) })) };
}

/** Who works on the stack now, and whose interrupted run left a lock behind. */
function readLocks({ backend, settings, stack }: Place): Pick<StatusView, "locks" | "busy"> {
  const own = ownLock(backend.stateDir, stack);
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

export async function status(options: CommonOptions): Promise<void> {
  const place = findPlace(options);
  const { docker } = await openEngine(place);
  const [state, engine, maintenance] = await Promise.all([
    readState(options).catch((error: unknown) => explain(error)),
    readEngine(docker, place),
    // An edge that cannot be asked is no reason to show nothing else.
    readMaintenance(docker, place.stack).catch(() => undefined),
  ]);
  const view: StatusView = {
    stack: place.stack,
    healthy: engine.containers.length > 0 && engine.containers.every(isGood),
    ...("what" in state ? { note: [state.what, state.remedy].filter(Boolean).join(" ") } : { state }),
    ...engine,
    ...readLocks(place),
    maintenance,
    rolledBackTo: rolledBackTo(readChanges(place.backend.stateDir, place.stack))?.build,
  };
  if (options.json) printJson(view);
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
  if (state !== undefined) printUrls(state.urls);

  print();
  print(paint("bold", "Containers"));
  for (const line of table(containers.map(containerRow))) print(line);
  if (containers.length === 0) print("  none");

  print();
  print(paint("bold", "Volumes"));
  const rows = volumes.map(({ name, data, size }) => [
    name,
    data ? "data" : "files",
    size === undefined ? "" : bytes(size),
  ]);
  for (const line of table(rows)) print(line);
  if (volumes.length === 0) print("  none");

  const up = npmRun("up", stack);
  const remarks = [
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
  if (remarks.length > 0) print();
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
