/**
 * What an operation that the operator has begun does to the alerts: while it runs, nothing is sent that it explains, and
 * afterwards the monitoring knows that it was there and how it ended.
 */
import type Docker from "dockerode";
import { OPERATION_LONGEST, OPERATION_RUNNING } from "../../infra/components/monitoring/dashboards.ts";
import { amtool, findMonitoring, importMetrics, type MonitoringRoom } from "../engine/monitoring.ts";
import { note } from "../terminal/output.ts";

/** What starting, stopping and replacing containers looks like. That requests fail or data is lost explains nothing. */
export const EXPLAINED = [
  ...["ReplicaDown", "ReadinessFailing", "TooFewReplicas", "ContainerDown", "ContainerRestarting"],
  "ContainerRestarted",
  ...["PostgresAway", "RedisAway", "EventLogLag", "ReplicationSlotInactive", "MonitoringIncomplete"],
  // A new version that cannot start says so, and the deploy fails with that.
  ...["TunnelDegraded", "HostCpuSaturated", "FatalLogged"],
] as const;

/**
 * What is over needs a moment until it no longer looks wrong. That a container was started anew is told for five minutes, so
 * that it reaches somebody whose receiver was away.
 */
const AFTERWARDS: readonly { readonly span: string; readonly alerts: readonly string[] }[] = [
  { span: "90s", alerts: EXPLAINED },
  { span: "6m", alerts: ["ContainerRestarted"] },
];

/** Runs it with the alerts that it explains silent. Monitoring that cannot be asked stops nobody from deploying. */
export async function quietly<T>(
  docker: Docker,
  stack: string,
  operation: string,
  run: () => Promise<T>,
): Promise<T> {
  const room = await findMonitoring(docker, stack).catch(() => undefined);
  if (room === undefined) return run();
  // A run that is lost gives no word of its end: the silence ends by itself.
  const silence = await attempt(() => add(docker, room, operation, OPERATION_LONGEST));
  await attempt(() => importMetrics(docker, room, [runningMark(operation, true)]));
  const started = performance.now();
  const end = async (failed: boolean): Promise<void> => {
    // The containers may be others now.
    const now = (await findMonitoring(docker, stack).catch(() => undefined)) ?? room;
    const ended = { failed, seconds: (performance.now() - started) / 1000 };
    await attempt(() =>
      importMetrics(docker, now, [runningMark(operation, false), ...annotationOf(operation, ended)]),
    );
    if (silence === undefined) return;
    await attempt(async () => {
      for (const { span, alerts } of AFTERWARDS) await add(docker, now, operation, span, alerts);
      await amtool(docker, now, "silence", "expire", silence);
    });
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

const add = async (
  docker: Docker,
  room: MonitoringRoom,
  operation: string,
  span: string,
  alerts: readonly string[] = EXPLAINED,
): Promise<string> =>
  (
    await amtool(
      docker,
      room,
      ...["silence", "add", "--author=ops", `--duration=${span}`, `--comment=${operation}`],
      `alertname=~${alerts.join("|")}`,
    )
  ).trim();

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
