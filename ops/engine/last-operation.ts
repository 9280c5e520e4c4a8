/** What the monitoring knows of the newest operation that changed the stack: how it ended, and what visitors noticed. */
import type Docker from "dockerode";
import { ago, duration, paint } from "../terminal/output.ts";
import { queryMetrics, type MonitoringRoom, type Sample } from "./monitoring.ts";

export interface LastOperation {
  readonly operation: string;
  /** When it was over, in seconds since 1970, and how long it took in seconds. */
  readonly at: number;
  readonly seconds: number;
  readonly failed: boolean;
  /** What the edge answered meanwhile, and how many of these answers were an error of ours; undefined: not known. */
  readonly responses?: number;
  readonly errors?: number;
}

/** Beyond this nothing is news. */
const WITHIN = "15d";

/** The edge's metrics are about ten seconds, and as much late (log-rules/edge.yaml). */
const LATE_SECONDS = 20;

const named = (query: string, value: string): string => `label_set(${query}, "value", "${value}")`;
const union = (...parts: string[]): string => `union(${parts.join(", ")})`;

/** Pure: the newest of them, by the samples of one query. */
export function newestOf(samples: readonly Sample[]): LastOperation | undefined {
  const of = (operation: string, name: string): number =>
    samples.find(({ metric }) => metric["operation"] === operation && metric["value"] === name)?.value ?? 0;
  return [...new Set(samples.map(({ metric }) => metric["operation"] ?? ""))]
    .map((operation) => ({
      operation,
      at: of(operation, "at"),
      seconds: of(operation, "seconds"),
      failed: of(operation, "failed") === 1,
    }))
    .sort((a, b) => b.at - a.at)[0];
}

export async function lastOperation(
  docker: Docker,
  room: MonitoringRoom,
): Promise<LastOperation | undefined> {
  const newest = newestOf(
    await queryMetrics(
      docker,
      room,
      union(
        named(`tlast_over_time(omniai_operation_failed[${WITHIN}])`, "at"),
        named(`last_over_time(omniai_operation_failed[${WITHIN}])`, "failed"),
        named(`last_over_time(omniai_operation_duration_seconds[${WITHIN}])`, "seconds"),
      ),
    ),
  );
  if (newest === undefined || newest.seconds === 0) return newest;
  const span = `[${Math.ceil(newest.seconds) + LATE_SECONDS}s]`;
  const end = Math.min(Math.ceil(newest.at) + LATE_SECONDS, Math.floor(Date.now() / 1000));
  const samples = await queryMetrics(
    docker,
    room,
    union(
      named(`sum(sum_over_time(edge:responses:count10s${span}))`, "responses"),
      named(`sum(sum_over_time(edge:responses:count10s{status=~"5.."}${span}))`, "errors"),
    ),
    end,
  );
  const value = (name: string): number | undefined =>
    samples.find(({ metric }) => metric["value"] === name)?.value;
  const responses = value("responses");
  return responses === undefined ? newest : { ...newest, responses, errors: value("errors") ?? 0 };
}

/** Pure: it as a line. */
export function describeOperation(last: LastOperation, now = new Date()): string {
  const { operation, at, seconds, failed, responses, errors = 0 } = last;
  const ended = failed ? paint("red", "failed") : "went through";
  const took = seconds === 0 ? "" : ` after ${duration(seconds)}`;
  const seen =
    responses === undefined
      ? ""
      : `; ${errors === 0 ? "none" : paint("red", String(errors))} of ${responses} requests failed meanwhile`;
  return `${operation}: ${ended} ${ago(new Date(at * 1000), now)}${took}${seen}`;
}
