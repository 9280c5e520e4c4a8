/** Every scenario of bench:resilience on a stack that is watched: which alerts are told, and when. */
import { setTimeout as sleep } from "node:timers/promises";
import { amtool, forgetMetrics, readRules, requireMonitoring } from "../../ops/engine/monitoring.ts";
import { eventually } from "../../test/support/http.ts";
import { ofTheMachine, startReceiver } from "../../test/support/alert-receiver.ts";
import { docker } from "../../test/support/stack.ts";
import type { Row } from "../report.ts";
import { runScenario, type Conditions, type Result } from "../resilience/scenario.ts";
import { SCENARIOS } from "../resilience/scenarios/index.ts";
import { createStackEnvironment } from "../resilience/stack-environment.ts";
import { expected, judgeAlerts, type Told } from "./expected.ts";
import { limits, tellTo, watched } from "./stack.ts";

/** How long after the act an alert may come. */
const WITHIN_MS = 120_000;
/** What was told is over before the next scenario begins. */
const QUIET_SECONDS = 900;

/**
 * @param names of scenarios; empty: all. @param toRemove gets what removes its stack, for whatever ends the bench.
 * @param onRow called with each row when it is known. @param onNotRun with the name of a scenario that could not be played, and why.
 */
export async function measureFaults(
  names: readonly string[],
  conditions: Conditions,
  toRemove: (() => Promise<void>)[],
  onRow: (row: Row) => void,
  onNotRun: (what: string) => void,
): Promise<void> {
  const receiver = await startReceiver();
  const created = await createStackEnvironment(`monitor-${process.pid}`, { ...limits, ...watched });
  toRemove.push(async () => {
    await created.remove();
    receiver.close();
  });
  /** When the first command of the scenario that failed ended. */
  let failedAt: number | undefined;
  const stack: typeof created.stack = {
    ...created.stack,
    async run(...args) {
      const result = await created.stack.run(...args);
      if (result.code !== 0) failedAt ??= Date.now();
      return result;
    },
    configure(config) {
      created.stack.configure(config);
      // It writes the file anew, and knows of no secrets in it.
      tellTo(created.stack, receiver);
    },
  };
  const environment = { ...created, stack };
  tellTo(stack, receiver);
  await environment.succeed("up", "--yes");
  for (const scenario of SCENARIOS.filter(({ name }) => names.length === 0 || names.includes(name))) {
    /** When the fault began. */
    let began = 0;
    // What the scenario before has raised is over, and what this one's preparation raises.
    const before: typeof scenario.before = async (of) => {
      const ready = await scenario.before?.(of);
      await forgetAll(stack.name);
      await eventually("no alert that fires", QUIET_SECONDS, async () => {
        const isOver = (await firing(stack.name)).length === 0;
        if (!isOver) await sleep(5000);
        return isOver;
      });
      receiver.messages.length = 0;
      return ready;
    };
    const isFromEnd = expected[scenario.name]?.fromEnd === true;
    const act: typeof scenario.act = async (of, at) => {
      began = at;
      failedAt = undefined;
      try {
        return await scenario.act(of, at);
      } finally {
        if (isFromEnd) began = failedAt ?? Date.now();
      }
    };
    const told: Told[] = [];
    const result = await runScenario({ ...scenario, before, act }, environment, conditions);
    if (began > 0) await sleep(Math.max(0, began + WITHIN_MS - Date.now()));
    for (const { at, alerts } of receiver.messages)
      for (const { status, labels } of alerts) {
        const { alertname: name = "", workload } = labels;
        const seconds = (at - began) / 1000;
        if (status === "firing" && !ofTheMachine(name)) told.push({ name, workload, seconds });
      }
    const why = result.error ?? result.notRun;
    if (why !== undefined) {
      // Without the fault its alerts prove nothing, and neither does their absence.
      onNotRun(`${scenario.name}: ${why}`);
      continue;
    }
    const { late, wrong } = judgeAlerts(scenario.name, told, failedShare(result.figures));
    const first = new Map([...told].reverse().map(({ name, seconds }) => [name, seconds]));
    const detail = [
      [...first].map(([name, seconds]) => `${name} after ${seconds.toFixed(0)} s`).join(", ") ||
        "nothing was told",
      ...(isFromEnd ? ["counted from the end of the command that failed"] : []),
      ...(late.length === 0 ? [] : [`not within two minutes: ${late.join(", ")}`]),
      ...(wrong.length === 0 ? [] : [`false: ${wrong.join(", ")}`]),
      ...tellFailed(result.figures),
      ...result.notes.filter((note) => note.startsWith("the machine stood still")),
    ].join("; ");
    const values = [late.length + wrong.length];
    const row: Row = {
      what: `${scenario.name}: alerts missing or false`,
      unit: "alerts",
      values,
      limit: 0,
      detail,
    };
    onRow(row);
  }
}

const sum = (counts: readonly number[] = []): number => counts.reduce((total, count) => total + count, 0);

/** Of the load's requests; 0 where it was not measured. */
const failedShare = (figures: Result["figures"]): number =>
  sum(figures?.failed) / Math.max(1, sum(figures?.sent));

/** What an alert may be true of, though the scenario is to raise none. */
function tellFailed(figures: Result["figures"]): string[] {
  const failed = sum(figures?.failed);
  return failed === 0 ? [] : [`${failed} of ${sum(figures?.sent)} requests failed`];
}

/** How long it takes at most until a container that was started anew is in the metrics. */
const SEEN_MS = 25_000;

/**
 * As if the scenario before had never been. Rules look back for up to six hours, some go on firing for minutes, and one alert holds
 * others back: each would be told, or not told, for what was before.
 */
async function forgetAll(stack: string): Promise<void> {
  const room = await requireMonitoring(docker, stack);
  const parts = [room.rules, room.logRules, room.alertmanager].filter((id) => id !== undefined);
  await Promise.all(parts.map((id) => docker.getContainer(id).restart()));
  await eventually("rules that are looked at", 120, async () => (await readRules(docker, room)).length > 0);
  await sleep(SEEN_MS);
  await forgetMetrics(docker, room);
}

/** The alerts that fire or are about to, by the rules, or that Alertmanager still has; where one cannot be asked it is not over. */
async function firing(stack: string): Promise<string[]> {
  try {
    const room = await requireMonitoring(docker, stack);
    const [rules, had] = await Promise.all([
      readRules(docker, room),
      amtool(docker, room, "alert", "query", "--output=json"),
    ]);
    const names = [
      ...rules.filter(({ state }) => state === "firing" || state === "pending").map(({ name }) => name),
      ...(JSON.parse(had) as { labels: Record<string, string> }[]).map(
        ({ labels }) => labels["alertname"] ?? "",
      ),
    ];
    return names.filter((name) => name !== "Watchdog" && !ofTheMachine(name));
  } catch {
    return ["?"];
  }
}
