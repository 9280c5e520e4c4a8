/**
 * What an operation that the operator has begun does to the alerts: while it runs, nothing is sent that it explains, and
 * afterwards the monitoring knows that it was there and how it ended.
 */
import type Docker from "dockerode";
import { OPERATION_LONGEST, OPERATION_RUNNING } from "../../infra/components/monitoring/dashboards.ts";
import { listContainers, type ContainerView } from "../engine/containers.ts";
import {
  amtool,
  findMonitoring,
  importMetrics,
  monitoringIn,
  readSilences,
  type MonitoringRoom,
  type Silence as HadSilence,
} from "../engine/monitoring.ts";
import { note } from "../terminal/output.ts";

/** What starting, stopping and replacing containers looks like. That requests fail or data is lost explains nothing. */
export const EXPLAINED = [
  ...["ReplicaDown", "ReadinessFailing", "TooFewReplicas", "ContainerDown", "ContainerRestarting"],
  "ContainerRestarted",
  ...["PostgresAway", "RedisAway", "EventLogLag", "ReplicationSlotInactive", "MonitoringIncomplete"],
  // A new version that cannot start says so, and the deploy fails with that.
  ...["TunnelDegraded", "HostCpuSaturated", "FatalLogged"],
] as const;

/** Who has made a silence, to tell it from those of people. */
const AUTHOR = "ops";

/** A silence as Alertmanager takes it. */
interface Silence {
  readonly span: string;
  readonly matchers: readonly string[];
}

const explained = (span: string): Silence => ({ span, matchers: [`alertname=~${EXPLAINED.join("|")}`] });

/**
 * Pure: the silences that another one of an operation makes superfluous. One operation runs at a time, so they are of runs that gave no
 * word of their end, and of the moment after one.
 */
export const supersededBy = (
  own: string,
  all: readonly Pick<HadSilence, "id" | "createdBy" | "matchers">[],
): string[] =>
  all
    .filter(
      ({ id, createdBy, matchers }) =>
        id !== own && createdBy === AUTHOR && matchers.some(({ value }) => value === EXPLAINED.join("|")),
    )
    .map(({ id }) => id);

/**
 * Pure: what is silent when an operation is over. It needs a moment until it no longer looks wrong. That a container was started
 * anew is told for five minutes, and nobody needs to hear it of one that the operation has stopped and started. Of any other
 * it is told: a new version may end itself soon after it was deployed.
 * @param restarted the names of those that the operation has stopped and started.
 */
export const silencesAfter = (restarted: readonly string[]): readonly Silence[] => [
  explained("90s"),
  ...restarted.map((name) => ({
    span: "6m",
    matchers: ["alertname=ContainerRestarted", `container=${name}`],
  })),
];

/** Pure: the names of a workload's containers that are the same as before, and were started since. */
export const startedAnew = (
  workload: string | undefined,
  before: readonly ContainerView[],
  after: readonly ContainerView[],
): string[] =>
  after
    .filter(
      (one) =>
        one.workload === workload &&
        before.some(({ id, startedAt }) => one.id === id && one.startedAt !== startedAt),
    )
    .map(({ name }) => name);

/**
 * Runs it with the alerts that it explains silent. Monitoring that cannot be asked stops nobody from deploying.
 * @param restarts the workload whose container it stops and starts; default: none.
 */
export async function quietly<T>(
  { docker, stack }: { readonly docker: Docker; readonly stack: string },
  operation: string,
  run: () => Promise<T>,
  restarts?: string,
): Promise<T> {
  const look = (): Promise<ContainerView[]> => listContainers(docker, stack).catch(() => []);
  const before = await look();
  const room = monitoringIn(before);
  if (room === undefined) return run();
  const expireSuperseded = async (at: MonitoringRoom, own: string | undefined): Promise<void> => {
    if (own === undefined) return;
    const superseded = supersededBy(own, await readSilences(docker, at));
    if (superseded.length > 0) await amtool(docker, at, "silence", "expire", ...superseded);
  };
  const add = async (to: MonitoringRoom, { span, matchers }: Silence): Promise<string> => {
    const flags = [`--author=${AUTHOR}`, `--duration=${span}`, `--comment=${operation}`];
    return (await amtool(docker, to, "silence", "add", ...flags, ...matchers)).trim();
  };
  // A run that is lost gives no word of its end: the silence ends by itself, or with the next run.
  const silence = await attempt(() => add(room, explained(OPERATION_LONGEST)));
  await attempt(() => expireSuperseded(room, silence));
  await attempt(() => importMetrics(docker, room, [runningMark(operation, true)]));
  const started = performance.now();
  const end = async (failed: boolean): Promise<void> => {
    // The containers may be others now.
    const after = await look();
    const now = monitoringIn(after) ?? room;
    const ended = { failed, seconds: (performance.now() - started) / 1000 };
    await attempt(() =>
      importMetrics(docker, now, [runningMark(operation, false), ...annotationOf(operation, ended)]),
    );
    for (const one of silencesAfter(startedAnew(restarts, before, after))) await attempt(() => add(now, one));
    // Whatever became of those: this one would hide the next half hour.
    if (silence !== undefined) await attempt(() => amtool(docker, now, "silence", "expire", silence));
  };
  try {
    const value = await run();
    await end(false);
    return value;
  } catch (error) {
    await end(true);
    throw error;
  }
}

/** Notes for the dashboards that an operation has begun or is over, where there is a monitoring. */
export async function markOperation(
  { docker, stack }: { readonly docker: Docker; readonly stack: string },
  operation: string,
  isRunning: boolean,
): Promise<void> {
  await attempt(async () => {
    const room = await findMonitoring(docker, stack);
    if (room !== undefined) await importMetrics(docker, room, [runningMark(operation, isRunning)]);
  });
}

/** Pure: that it is under way, or is so no longer, which the dashboards draw into their graphs. */
export const runningMark = (operation: string, isRunning: boolean): string =>
  `${OPERATION_RUNNING}{operation="${operation}"} ${Number(isRunning)}`;

/** Pure: how the monitoring is told of an operation: how it ended, and how long it took. */
export const annotationOf = (
  operation: string,
  { failed, seconds }: { readonly failed: boolean; readonly seconds: number },
): string[] => [
  `omniai_operation_failed{operation="${operation}"} ${Number(failed)}`,
  `omniai_operation_duration_seconds{operation="${operation}"} ${seconds.toFixed(1)}`,
];

async function attempt<T>(action: () => Promise<T>): Promise<T | undefined> {
  try {
    return await action();
  } catch (error) {
    note(`The monitoring could not be told: ${error instanceof Error ? error.message : String(error)}`);
    return undefined;
  }
}
