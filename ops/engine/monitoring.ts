/**
 * The monitoring of a stack, as `ops` talks to it: by programs inside of its containers, because none of its ports is
 * published.
 */
import type Docker from "dockerode";
import {
  ALERTMANAGER_PORT,
  METRICS_PORT,
  METRICS_USER,
  RULES_PORT,
} from "../../infra/components/monitoring/plan.ts";
import { exit, OpsError } from "../terminal/errors.ts";
import { npmRun } from "../terminal/npm-run.ts";
import { listContainers, type ContainerView } from "./containers.ts";
import { execIn } from "./exec.ts";

/** The ids of the monitoring's running containers. */
export interface MonitoringRoom {
  readonly metrics: string;
  readonly rules: string;
  /** Of the rules about logs; undefined where it does not run. */
  readonly logRules?: string;
  readonly alertmanager: string;
}

/** Undefined for a stack that is not watched, or whose monitoring does not run. */
export function monitoringIn(views: readonly ContainerView[]): MonitoringRoom | undefined {
  const of = (workload: string): string | undefined =>
    views.find((view) => view.workload === workload && view.state === "running")?.id;
  const [metrics, rules, logRules, alertmanager] = [
    ...["victoria-metrics", "vmalert", "vmalert-logs", "alertmanager"],
  ].map(of);
  return metrics === undefined || rules === undefined || alertmanager === undefined
    ? undefined
    : { metrics, rules, logRules, alertmanager };
}

/** The same, of the containers as they are now. */
export const findMonitoring = async (docker: Docker, stack: string): Promise<MonitoringRoom | undefined> =>
  monitoringIn(await listContainers(docker, stack));

/** @throws OpsError that says how a stack gets it */
export async function requireMonitoring(docker: Docker, stack: string): Promise<MonitoringRoom> {
  const found = await findMonitoring(docker, stack);
  if (found !== undefined) return found;
  throw new OpsError(
    `Stack ${stack} is not watched, or its monitoring does not run.`,
    `Set omniai:monitoring: always in Pulumi.${stack}.yaml and deploy it: ${npmRun("up", stack)}. What runs: ${npmRun("status", stack)}`,
  );
}

async function run(docker: Docker, container: string, what: string, ...rest: ExecRest): Promise<string> {
  const { exitCode, output } = await execIn(docker, container, ...rest);
  if (exitCode === 0) return output;
  throw new OpsError(
    `${what} failed: ${output.trim() || `exit code ${exitCode}`}`,
    "Look at the monitoring's containers: npm run status, npm run logs.",
    exit.failed,
  );
}
type ExecRest = Parameters<typeof execIn> extends [unknown, unknown, ...infer Rest] ? Rest : never;

/** Alertmanager's own tool. */
export const amtool = (
  docker: Docker,
  { alertmanager }: MonitoringRoom,
  ...args: string[]
): Promise<string> =>
  run(docker, alertmanager, `amtool ${args[0] ?? ""}`, [
    "amtool",
    `--alertmanager.url=http://127.0.0.1:${ALERTMANAGER_PORT}`,
    ...args,
  ]);

/** A silence that Alertmanager has. */
export interface Silence {
  readonly id: string;
  readonly endsAt: string;
  readonly createdBy: string;
  readonly comment: string;
  readonly matchers: readonly { readonly name: string; readonly value: string }[];
}

/** The silences that have not ended. */
export const readSilences = async (docker: Docker, room: MonitoringRoom): Promise<readonly Silence[]> =>
  JSON.parse(await amtool(docker, room, "silence", "query", "-o", "json")) as Silence[];

/** Alertmanager's own metrics, in Prometheus' text format. */
export const alertmanagerMetrics = (docker: Docker, { alertmanager }: MonitoringRoom): Promise<string> =>
  run(docker, alertmanager, "asking Alertmanager", [
    ...["wget", "-q", "-O", "-"],
    `http://127.0.0.1:${ALERTMANAGER_PORT}/metrics`,
  ]);

interface RulesAnswer {
  readonly data: {
    readonly groups: readonly { readonly name: string; readonly rules: readonly RuleView[] }[];
  };
}

/** A rule as vmalert has it. */
export interface RuleView {
  readonly name: string;
  readonly type: "alerting" | "recording";
  /** inactive, pending, firing, or ok for what only records. */
  readonly state: string;
  readonly health: string;
  readonly lastError: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** All rules: those that alert, and those that record what they find in logs as metrics. */
export async function readRules(
  docker: Docker,
  { rules, logRules }: MonitoringRoom,
): Promise<readonly RuleView[]> {
  const found = [rules, logRules].filter((container) => container !== undefined);
  const texts = await Promise.all(
    found.map((container) =>
      run(docker, container, "asking vmalert", [
        ...["wget", "-q", "-O", "-"],
        `http://127.0.0.1:${RULES_PORT}/api/v1/rules`,
      ]),
    ),
  );
  return texts
    .flatMap((text) => (JSON.parse(text) as RulesAnswer).data.groups)
    .flatMap((group) => group.rules);
}

/** Asks VictoriaMetrics within its container, where its password lies. What is asked is in a variable: a shell reads none of it. */
const CALL = `login=$(printf '%s:%s' "$LOGIN" "$(cat /run/omniai/password)" | base64 | tr -d '\\n')
exec wget -q -O - --header "Authorization: Basic $login" \${BODY:+--post-data "$BODY"} "http://127.0.0.1:$PORT$ADDRESS"`;

const call = (docker: Docker, { metrics }: MonitoringRoom, ADDRESS: string, BODY = ""): Promise<string> =>
  run(docker, metrics, "asking VictoriaMetrics", ["sh", "-c", CALL], {
    env: { LOGIN: METRICS_USER, PORT: String(METRICS_PORT), ADDRESS, BODY },
  });

/** One value with its labels. */
export interface Sample {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: number;
}

/** The values of a query. @param at seconds since 1970; default: now */
export async function queryMetrics(
  docker: Docker,
  room: MonitoringRoom,
  query: string,
  at?: number,
): Promise<Sample[]> {
  const time = at === undefined ? "" : `&time=${at}`;
  const text = await call(docker, room, "/api/v1/query", `query=${encodeURIComponent(query)}${time}`);
  const { data } = JSON.parse(text) as {
    data: { result: { metric: Record<string, string>; value: [number, string] }[] };
  };
  return data.result.map(({ metric, value }) => ({ metric, value: Number(value[1]) }));
}

/** Puts lines in Prometheus' text format into VictoriaMetrics, as of now. */
export const importMetrics = async (
  docker: Docker,
  room: MonitoringRoom,
  lines: readonly string[],
): Promise<void> => void (await call(docker, room, "/api/v1/import/prometheus", `${lines.join("\n")}\n`));

/** Makes VictoriaMetrics forget everything; what is scraped from now on begins anew. For benches: no command does it. */
export const forgetMetrics = async (docker: Docker, room: MonitoringRoom): Promise<void> =>
  void (await call(
    docker,
    room,
    "/api/v1/admin/tsdb/delete_series",
    `match[]=${encodeURIComponent('{__name__!=""}')}`,
  ));
