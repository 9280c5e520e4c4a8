/** The cases of the alerts, and how vmalert-tool takes them. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import { logRuleFiles, RULES, ruleFiles } from "../../components/monitoring/files.ts";

/** No sample is looked back at for longer than 5 minutes, as VictoriaMetrics does by default. */
export const STEPS = ["10s", "1m", "5m"] as const;
export type Step = (typeof STEPS)[number];

export interface Case {
  readonly when: string;
  /** Series by their name, each with its values as vmalert-tool writes them. */
  readonly series?: Readonly<Record<string, string | number>>;
  /** Between two values; default 10s. A longer one makes a case of many hours as cheap as the others. */
  readonly step?: Step;
  /** A moment at which nothing fires. */
  readonly quiet?: string;
  /** The moment at which what `fires` does, as "name severity". */
  readonly at: string;
  readonly fires: readonly string[];
}

export interface Alert {
  readonly alert: string;
  readonly expr: string;
  /** For how long it fires after it is no longer true. */
  readonly keep_firing_for?: string;
  readonly labels: { readonly severity: string };
  readonly annotations: Readonly<Record<string, string>>;
}

const FOLDER = join(import.meta.dirname, "../alerts");
const read = <T>(name: string): T => parse(readFileSync(join(FOLDER, name), "utf8"), { merge: true }) as T;

/** A case of a rule about logs: one line that a container writes. */
export interface LogCase {
  readonly when: string;
  readonly workload: string;
  readonly line: string;
  /** The alert's name, or none. */
  readonly fires: readonly string[];
}

export const cases = (): readonly Case[] => read<Case[]>("cases.yaml");
export const logCases = (): readonly LogCase[] => read<LogCase[]>("log-cases.yaml");

const alertsOf = (files: Readonly<Record<string, string>>): readonly Alert[] =>
  Object.values(files)
    .flatMap((text) => (parse(text) as { groups: { rules: (Alert | { record: string })[] }[] }).groups)
    .flatMap(({ rules }) => rules)
    .filter((rule) => "alert" in rule);

/** Every alert about metrics. */
export const metricAlerts = (): readonly Alert[] => alertsOf(ruleFiles());
/** Every alert about logs. */
export const logAlerts = (): readonly Alert[] => alertsOf(logRuleFiles());

/** When the clock of these tests begins. */
const START = 946_684_800;

/** Pure: of "90s", "5m" or "1h". */
export const seconds = (span: string): number =>
  Number.parseInt(span) * { s: 1, m: 60, h: 3600 }[span.slice(-1) as "s"];

/** What has no end of its own goes on to the end of its case; `clock` is the time itself. */
function spell(values: string | number, step: string, at: string): string {
  const text = values === "clock" ? `${START}+${seconds(step)}` : String(values);
  return /x\d/.test(text) ? text : `${text}x${Math.ceil(seconds(at) / seconds(step)) + 1}`;
}

/**
 * Pure: a file for vmalert-tool of the cases with one step. Every case has all rules, so that what else fires is seen.
 * @param step of the series, and between two looks at the rules.
 */
export function renderUnitTests(step: Step, all: readonly Case[] = cases()): string {
  const healthy = read<NonNullable<Case["series"]>>("healthy.yaml");
  const list = all.filter((one) => (one.step ?? "10s") === step);
  const FIRING = 'count by (alertname, severity) (ALERTS{alertstate="firing",alertname!="Watchdog"}) > 0';
  const samples = (fires: readonly string[]) =>
    fires.map((one) => {
      const [alertname = "", severity = ""] = one.split(" ");
      return { labels: `{alertname="${alertname}", severity="${severity}"}`, value: 1 };
    });
  return stringify({
    rule_files: [`${RULES}/*.yaml`],
    evaluation_interval: step,
    tests: list.map(({ when, series = {}, quiet, at, fires }) => ({
      name: when,
      interval: step,
      input_series: Object.entries({ ...healthy, ...series }).map(([name, values]) => ({
        series: name,
        values: spell(values, step, at),
      })),
      metricsql_expr_test: [
        ...(quiet === undefined ? [] : [{ expr: FIRING, eval_time: quiet, exp_samples: [] }]),
        { expr: FIRING, eval_time: at, exp_samples: samples(fires) },
      ],
    })),
  });
}
