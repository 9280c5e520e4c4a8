/** What the monitoring says on the page of `npm run status`. */
import type Docker from "dockerode";
import { bytes, duration, paint } from "../terminal/output.ts";
import type { ContainerView } from "./containers.ts";
import { describeOperation, lastOperation, type LastOperation } from "./last-operation.ts";
import { amtool, monitoringIn, queryMetrics } from "./monitoring.ts";

/** An alert as Alertmanager has it. */
export interface ActiveAlert {
  readonly startsAt: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly status: {
    readonly state: string;
    readonly silencedBy: readonly string[];
    readonly inhibitedBy: readonly string[];
  };
}

/** What fires now, apart from the sign of life; also what is silent or follows from something else. */
export async function activeAlerts(
  docker: Docker,
  room: Parameters<typeof amtool>[1],
): Promise<readonly ActiveAlert[]> {
  const flags = ["--active", "--silenced", "--inhibited", "-o", "json"];
  const text = await amtool(docker, room, "alert", "query", ...flags);
  return (JSON.parse(text) as ActiveAlert[]).filter(({ labels }) => labels["alertname"] !== "Watchdog");
}

/** All of it as of now; a value that is not known yet is missing. */
export interface MonitoringSummary {
  readonly alerts: readonly ActiveAlert[];
  /** Of the engine's disk, 0 to 1. */
  readonly diskUsed?: number;
  /** At the rate of the last six hours; missing where the disk does not fill. */
  readonly diskFullSeconds?: number;
  readonly memoryAvailable?: number;
  readonly memoryTotal?: number;
  /** How much more is available than six hours ago, in bytes. */
  readonly memoryChange?: number;
  /** Requests a second, and how many of them fail, 0 to 1, over five minutes. */
  readonly requests?: number;
  readonly errors?: number;
  /** What changed the stack last. */
  readonly operation?: LastOperation;
}

const AVAILABLE = 'node_filesystem_avail_bytes{mountpoint="/textfiles"}';
const REQUESTS = "omniai_http_request_duration_seconds_count";

/** One query of several values, each under a name of its own. */
const queries: Readonly<Record<Exclude<keyof MonitoringSummary, "alerts" | "operation">, string>> = {
  diskUsed: `1 - ${AVAILABLE} / node_filesystem_size_bytes{mountpoint="/textfiles"}`,
  diskFullSeconds: `(${AVAILABLE} / -deriv(${AVAILABLE}[6h])) > 0`,
  memoryAvailable: "node_memory_MemAvailable_bytes",
  memoryTotal: "node_memory_MemTotal_bytes",
  memoryChange: "node_memory_MemAvailable_bytes - node_memory_MemAvailable_bytes offset 6h",
  requests: `sum(rate(${REQUESTS}[5m]))`,
  errors: `sum(rate(${REQUESTS}{status=~"5.."}[5m])) / sum(rate(${REQUESTS}[5m]))`,
};

/** Undefined for a stack that is not watched. */
export async function readMonitoring(
  docker: Docker,
  views: readonly ContainerView[],
): Promise<MonitoringSummary | undefined> {
  const room = monitoringIn(views);
  if (room === undefined) return undefined;
  const values = Object.entries(queries).map(([name, text]) => `label_set(${text}, "value", "${name}")`);
  const [alerts, operation, samples] = await Promise.all([
    activeAlerts(docker, room),
    lastOperation(docker, room),
    queryMetrics(docker, room, `union(${values.join(", ")})`),
  ]);
  const found = samples
    .filter(({ value }) => Number.isFinite(value))
    .map(({ metric, value }) => [metric["value"] ?? "", value] as const);
  return { alerts, operation, ...Object.fromEntries(found) };
}

const percent = (ratio: number): string => `${(ratio * 100).toFixed(ratio < 0.1 ? 1 : 0)} %`;

/** Farther away than this it is no news, in seconds: 60 days. */
const FAR = 60 * 86_400;

/** Smaller changes of the memory are no news, in bytes. */
const NEWS = 64 * 2 ** 20;

const changeOf = (memory: number | undefined): string =>
  memory === undefined || Math.abs(memory) < NEWS
    ? ""
    : `, ${bytes(Math.abs(memory))} ${memory < 0 ? "less" : "more"} than 6 h ago`;

/** Pure: the lines of the page. */
export function describeMonitoring(summary: MonitoringSummary): string[] {
  const { alerts, diskUsed, diskFullSeconds, memoryAvailable, memoryTotal, requests, errors, operation } =
    summary;
  const loud = alerts.filter(({ status }) => status.silencedBy.length + status.inhibitedBy.length === 0);
  const facts = [
    ...(diskUsed === undefined
      ? []
      : [
          `disk ${percent(diskUsed)} full${diskFullSeconds === undefined || diskFullSeconds > FAR ? "" : `, all of it in ${duration(diskFullSeconds)}`}`,
        ]),
    ...(memoryAvailable === undefined || memoryTotal === undefined
      ? []
      : [
          `${bytes(memoryAvailable)} of ${bytes(memoryTotal)} memory available${changeOf(summary.memoryChange)}`,
        ]),
    ...(requests === undefined ? [] : [`${requests.toFixed(1)} requests/s`]),
    ...(errors === undefined ? [] : [`${percent(errors)} of them fail`]),
  ];
  return [
    ...loud.map(({ labels, annotations }) =>
      paint(
        labels["severity"] === "critical" ? "red" : "yellow",
        `${labels["alertname"] ?? ""}: ${annotations["summary"] ?? ""}`,
      ),
    ),
    ...(loud.length === 0 ? [paint("green", "no alert fires")] : []),
    ...(alerts.length > loud.length
      ? [`${alerts.length - loud.length} silent or following from another`]
      : []),
    ...(facts.length === 0 ? [] : [facts.join("; ")]),
    ...(operation === undefined ? [] : [describeOperation(operation)]),
  ];
}
