/** The alerts as files: each says what an operator needs, has its page, and is tried by a case (test/alerts). */
import { strict as assert } from "node:assert";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { cases, logAlerts, logCases, metricAlerts } from "./support/alert-cases.ts";

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
});
