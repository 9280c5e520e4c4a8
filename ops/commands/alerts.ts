/** `npm run alerts`: what fires, what is silent, which rules there are, and whether a message arrives. */
import { setTimeout as sleep } from "node:timers/promises";
import type Docker from "dockerode";
import {
  alertmanagerMetrics,
  amtool,
  readRules,
  readSilences,
  requireMonitoring,
  type MonitoringRoom,
} from "../engine/monitoring.ts";
import { activeAlerts, type ActiveAlert } from "../engine/monitoring-summary.ts";
import { findPlace, type CommonOptions } from "../stack/place.ts";
import { openEngine } from "../stack/look.ts";
import { signals } from "../stack/this-process.ts";
import { exit, OpsError } from "../terminal/errors.ts";
import { npmRun } from "../terminal/npm-run.ts";
import { ago, paint, print, printJson, table } from "../terminal/output.ts";

export interface AlertsOptions extends CommonOptions {
  readonly for?: string;
  readonly comment?: string;
}

export async function alerts(
  action: string,
  name: string | undefined,
  options: AlertsOptions,
): Promise<void> {
  const place = findPlace(options);
  const { docker } = await openEngine(place, options);
  signals.begin({ title: `asking the monitoring of stack ${place.stack}` });
  const room = await requireMonitoring(docker, place.stack);
  switch (action) {
    case "rules":
      return rules(docker, room, options);
    case "silence":
      return silence(docker, room, name, options);
    case "test":
      return test(docker, room, place.stack, options);
    default:
      return list(docker, room, place.stack, options);
  }
}

/** Pure: one alert as rows of a table. */
export const describeAlert = ({ labels, annotations, status, startsAt }: ActiveAlert): string[] => [
  paint(labels["severity"] === "critical" ? "red" : "yellow", labels["severity"] ?? ""),
  labels["alertname"] ?? "",
  `since ${ago(new Date(startsAt))}`,
  annotations["summary"] ?? "",
  status.silencedBy.length > 0 ? "silent" : status.inhibitedBy.length > 0 ? "follows from another" : "",
];

async function list(
  docker: Docker,
  room: MonitoringRoom,
  stack: string,
  { json }: AlertsOptions,
): Promise<void> {
  const found = await activeAlerts(docker, room);
  const silences = await readSilences(docker, room);
  if (json) return printJson({ stack, alerts: found, silences });
  for (const line of table(found.map(describeAlert))) print(line);
  for (const { annotations } of found)
    if (annotations["description"])
      print(`    ${annotations["description"]} ${annotations["runbook"] ?? ""}`);
  if (found.length === 0) print(`${paint("green", "✓")} No alert fires for stack ${stack}.`);
  for (const one of silences) {
    const what = one.matchers.map(({ name, value }) => `${name} ${value}`).join(", ");
    print(`  silent until ${one.endsAt}: ${what} (${one.createdBy}: ${one.comment}; ${one.id})`);
  }
}

async function rules(docker: Docker, room: MonitoringRoom, { json }: AlertsOptions): Promise<void> {
  const found = await readRules(docker, room);
  if (json) return printJson(found);
  const rows = found.map(({ name, state, health, lastError, labels, annotations }) => [
    health === "ok" ? state : paint("red", lastError || health),
    labels?.["severity"] ?? "",
    name,
    annotations?.["runbook"] ?? "",
  ]);
  for (const line of table(rows)) print(line);
}

async function silence(
  docker: Docker,
  room: MonitoringRoom,
  name: string | undefined,
  options: AlertsOptions,
): Promise<void> {
  const all = await readRules(docker, room);
  const known = new Set(all.filter(({ type }) => type === "alerting").map((rule) => rule.name));
  if (name === undefined || !known.has(name)) {
    throw new OpsError(
      name === undefined ? "Which alert is to be silent?" : `There is no alert "${name}".`,
      `Name one of them: ${[...known].sort().join(", ")}`,
      exit.usage,
    );
  }
  const span = options.for ?? "2h";
  if (!/^\d+(m|h|d)$/.test(span))
    throw new OpsError(`--for ${span} is no span.`, "Give one such as 30m, 2h or 1d.", exit.usage);
  const id = await amtool(
    docker,
    room,
    ...["silence", "add", "--author=operator", `--duration=${span}`],
    `--comment=${options.comment ?? "by npm run alerts"}`,
    `alertname=${name}`,
  );
  print(`${name} is silent for ${span} (${id.trim()}). It still fires, and shows in the list.`);
}

/** How long a message may take to each receiver, in seconds: Alertmanager's own wait and a try. */
const TEST_SECONDS = 45;

/** Pure: how many messages each receiver has got, and how many failed, by Alertmanager's own metrics. */
export function deliveries(metrics: string): Map<string, { sent: number; failed: number }> {
  const found = new Map<string, { sent: number; failed: number }>();
  const line = /^alertmanager_notifications_(total|failed_total)\{([^}]*)\} (\S+)$/gm;
  for (const [, kind, labels = "", value] of metrics.matchAll(line)) {
    const receiver = /receiver_name="([^"]*)"/.exec(labels)?.[1] ?? "";
    if (!receiver.startsWith("receiver-")) continue;
    const entry = found.get(receiver) ?? { sent: 0, failed: 0 };
    if (kind === "total") entry.sent += Number(value);
    else entry.failed += Number(value);
    found.set(receiver, entry);
  }
  return found;
}

/** Sends one alert through the whole way, from Alertmanager to every receiver, and waits until each has taken it. */
async function test(
  docker: Docker,
  room: MonitoringRoom,
  stack: string,
  { json }: AlertsOptions,
): Promise<void> {
  const read = async (): Promise<ReturnType<typeof deliveries>> =>
    deliveries(await alertmanagerMetrics(docker, room));
  const before = await read();
  if (before.size === 0) {
    throw new OpsError(
      `Stack ${stack} tells nobody: omniai:alertReceivers is empty.`,
      `Add one to Pulumi.${stack}.yaml (Pulumi.yaml says how), and ${npmRun("up", stack)}.`,
    );
  }
  const started = performance.now();
  await amtool(
    docker,
    room,
    ...["alert", "add", "alertname=Test", "severity=warning", `stack=${stack}`, `test=${Date.now()}`],
    "--annotation=summary=This is a test of the alerts.",
    "--annotation=description=Nothing is wrong. Somebody has run `npm run alerts -- test`.",
    `--end=${new Date(Date.now() + 60_000).toISOString()}`,
  );
  const waiting = new Set(before.keys());
  const results: { receiver: string; seconds?: number; failed?: boolean }[] = [];
  while (waiting.size > 0 && performance.now() - started < TEST_SECONDS * 1000) {
    await sleep(500);
    const now = await read();
    for (const receiver of waiting) {
      const [old, current] = [before.get(receiver), now.get(receiver)];
      if (old === undefined || current === undefined) continue;
      // An attempt counts when it is over; one that failed is among both numbers.
      if (current.sent - current.failed <= old.sent - old.failed) continue;
      waiting.delete(receiver);
      results.push({ receiver, seconds: Math.round((performance.now() - started) / 100) / 10 });
    }
  }
  for (const receiver of waiting) results.push({ receiver, failed: true });
  if (json) printJson(results);
  else
    for (const { receiver, seconds } of results)
      print(
        seconds === undefined
          ? `${paint("red", "✗")} ${receiver} has not taken it within ${TEST_SECONDS} s`
          : `${paint("green", "✓")} ${receiver} took it after ${seconds} s`,
      );
  if (waiting.size === 0) return;
  throw new OpsError(
    `A message did not arrive at ${[...waiting].join(", ")}.`,
    `What was answered is in Alertmanager's log: ${npmRun("logs", stack, "alertmanager")}`,
  );
}
