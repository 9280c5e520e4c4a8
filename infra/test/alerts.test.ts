/** The alerts as files: each says what an operator needs, has its page, and is tried by a case (test/alerts). */
import { strict as assert } from "node:assert";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { renderAlertmanager } from "../components/monitoring/receivers.ts";
import { cases, logAlerts, logCases, metricAlerts, seconds, type Alert } from "./support/alert-cases.ts";

const RUNBOOK = readFileSync(join(import.meta.dirname, "../../docs/runbook.md"), "utf8");
const ALERTS = [...metricAlerts(), ...logAlerts()];
const NAMES = [...new Set(ALERTS.map(({ alert }) => alert))].sort();

describe("the alerts", () => {
  it("have a severity, and say what is wrong, what users notice and where to read on", () => {
    for (const { alert, labels, annotations } of ALERTS) {
      assert.match(labels.severity, /^(critical|warning|none)$/, alert);
      for (const part of ["summary", "description"]) assert.match(annotations[part] ?? "", /\.$/, alert);
      assert.equal(annotations["runbook"], `docs/runbook.md#${alert.toLowerCase()}`, alert);
    }
  });

  it("have a page in the runbook each, and no page is about another", () => {
    const pages = [...RUNBOOK.matchAll(/^### ([A-Z]\w+)$/gm)].map(([, name = ""]) => name);
    assert.deepEqual(pages.sort(), NAMES);
  });

  it("are tried by a case each, in every severity", () => {
    const tried = new Set(cases().flatMap(({ fires }) => fires));
    const all = metricAlerts()
      .filter(({ alert }) => alert !== "Watchdog")
      .map(({ alert, labels }) => `${alert} ${labels.severity}`);
    assert.deepEqual([...tried].sort(), [...new Set(all)].sort());
  });

  it("about logs are tried by a line each, and by lines that only look like theirs", () => {
    const tried = new Set(logCases().flatMap(({ fires }) => fires));
    assert.deepEqual(
      [...tried].sort(),
      logAlerts()
        .map(({ alert }) => alert)
        .sort(),
    );
    assert.ok(logCases().some(({ fires }) => fires.length === 0));
  });

  it("about logs that look for one pattern find their lines and no others; a stack's log store tries the rest", () => {
    const plain = logAlerts().filter(({ expr }) => expr.split("_msg:").length === 2);
    assert.ok(plain.some(({ alert }) => alert === "EdgeAlarm"));
    for (const { alert, expr } of plain) {
      const pattern = new RegExp(literal(/_msg:~("(?:[^"\\]|\\.)*")/.exec(expr)));
      const file = new RegExp(literal(/\{file=~("[^"]*")\}/.exec(expr)));
      for (const { when, workload, line, fires } of logCases())
        assert.equal(
          file.test(`/links/${workload}.a.b.log`) && pattern.test(line),
          fires.includes(alert),
          when,
        );
    }
  });

  it("about logs have pages whose commands show the lines that they are about", () => {
    for (const { workload, line, fires } of logCases())
      for (const alert of fires) {
        const [page = ""] = RUNBOOK.split(`\n### ${alert}\n`)[1]?.split("\n### ") ?? [];
        const commands = [...page.matchAll(/`npm run logs -- (\w+)([^`]*)`/g)].filter(
          ([, of]) => of === workload,
        );
        // Levels of logs have a test of their own.
        const found = commands.some(([, , flags = ""]) => {
          const [, quoted, plain = ""] = /--grep (?:"([^"]*)"|(\S+))/.exec(flags) ?? [];
          return line.includes(quoted ?? plain);
        });
        assert.ok(commands.length === 0 || found, `${alert}: ${line}`);
      }
  });
});

/** Pure: the string of LogsQL that was found; everything, where none was. */
const literal = (found: RegExpExecArray | null): string => JSON.parse(found?.[1] ?? '""') as string;

interface Inhibition {
  readonly source_matchers: readonly string[];
  readonly target_matchers: readonly string[];
  readonly equal?: readonly string[];
}

/** Between the end of a container and its start, and until that is seen: the engine's longest pause, and some looks. */
const BETWEEN = 90;

/** Pure: whether the files say that an alert is one of those. A matcher about a label that only a series has is about none. */
const matches = ({ alert, labels }: Alert, matchers: readonly string[]): boolean =>
  matchers.every((text) => {
    const [, label = "", value = ""] = /^(\w+)=~?"(.*)"$/.exec(text) ?? [];
    const own = label === "alertname" ? alert : label === "severity" ? labels.severity : undefined;
    return own === undefined || value.split("|").includes(own);
  });

/** Pure: a share of what was counted is of all of its time. */
const isOfAnEvent = ({ expr }: Alert): boolean =>
  /(changes|increase)_prometheus\(|_time:\w/.test(expr) && !/\/ sum\(increase_prometheus\(/.test(expr);

/** Pure: for how long an alert fires after what it looks back at, in seconds: at most. */
const atMost = ({ expr, keep_firing_for: kept = "0s" }: Alert): number =>
  seconds(kept) +
  Math.max(...[...expr.matchAll(/(?:\[|_time:)(\d+[smh])/g)].map(([, span = ""]) => seconds(span)));

/** The same: at least. What counts up to more than one thing may end with the next look. */
function atLeast({ expr, keep_firing_for: kept = "0s" }: Alert): number {
  const [, range, time] = /^[^>]*_prometheus\(\w+\[(\d+[smh])\]\)+ > 0$|^_time:(\d+[smh]) /.exec(expr) ?? [];
  return seconds(kept) + seconds(range ?? time ?? "0s");
}

describe("an alert that is sent instead of another one", () => {
  const { inhibit_rules: rules } = JSON.parse(renderAlertmanager([], { watchdog: undefined })) as {
    inhibit_rules: Inhibition[];
  };
  const pairs = rules.flatMap(({ source_matchers: sources, target_matchers: targets, equal = [] }) =>
    ALERTS.filter((one) => matches(one, sources)).flatMap((source) =>
      ALERTS.filter((one) => matches(one, targets))
        .filter((target) => !equal.includes("alertname") || target.alert === source.alert)
        .map((target) => ({ source, target })),
    ),
  );

  it("lasts longer than it where both are about one moment, so that the other is not sent after all", () => {
    const ofOneMoment = pairs.filter(({ target }) => isOfAnEvent(target));
    assert.deepEqual(
      ofOneMoment
        .filter(({ source, target }) => atLeast(source) < atMost(target) + BETWEEN)
        .map(({ source, target }) => `${source.alert}, then ${target.alert}`),
      [],
    );
    assert.deepEqual(
      ofOneMoment.map(({ source, target }) => `${source.alert} for ${target.alert}`).sort(),
      ["ContainerOutOfMemory", "ContainerRestarting", "FatalLogged", "NoSpaceLeft"].map(
        (reason) => `${reason} for ContainerRestarted`,
      ),
    );
  });
});
