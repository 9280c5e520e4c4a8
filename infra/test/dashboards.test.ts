/** The dashboards as vmui gets them. What their queries find is seen on a whole stack (test/e2e/monitoring.test.ts). */
import { strict as assert } from "node:assert";
import { parse } from "yaml";
import {
  dashboardFiles,
  markOf,
  renderDashboard,
  RUNNING_BY_NAME,
} from "../components/monitoring/dashboards.ts";
import { PARTS } from "../components/monitoring/plan.ts";
import { ruleFiles } from "../components/monitoring/files.ts";
import { ownMetrics, renderScrape } from "../components/monitoring/scrape.ts";

interface Shown {
  readonly title: string;
  readonly rows: readonly { readonly panels: readonly Record<string, unknown>[] }[];
}

const PAGES = Object.values(dashboardFiles("prod")).map((text) => JSON.parse(text) as Shown);
const panelsOf = ({ rows }: Shown): readonly Record<string, unknown>[] =>
  rows.flatMap(({ panels }) => panels);

/** What vmui knows of a panel (PanelSettings in its app/vmui/packages/vmui/src/types/index.ts). */
const KNOWN = ["title", "description", "unit", "expr", "alias", "showLegend", "width"];

describe("the dashboards", () => {
  it("have a name for each line, and nothing that vmui does not know", () => {
    for (const page of PAGES)
      for (const panel of panelsOf(page)) {
        const where = `${page.title}: ${String(panel["title"])}`;
        assert.equal((panel["alias"] as string[]).length, (panel["expr"] as string[]).length, where);
        for (const key of Object.keys(panel)) assert.ok(KNOWN.includes(key), `${where}: ${key}`);
      }
  });

  it("say of each line which stack it is of, by which vmui groups them", () => {
    for (const page of PAGES)
      for (const panel of panelsOf(page))
        for (const expr of panel["expr"] as string[])
          assert.match(expr, /^label_set\(.*, "stack", "prod"\)$/);
  });

  it("draw what the operator did into every graph of the overview that shows what it does to visitors", () => {
    const overview = PAGES.find(({ title }) => title === "Overview");
    assert.ok(overview);
    const drawn = panelsOf(overview)
      .filter(({ alias }) => (alias as string[]).includes("operation"))
      .map(({ title }) => title);
    for (const title of ["Requests", "Errors", "Answer time", "Open streams", "CPU of the containers"])
      assert.ok(drawn.includes(title), title);
  });

  it("show which operation it was, by the name under which the program notes it", () => {
    const panel = PAGES.flatMap(panelsOf).find(({ title }) => title === "Deploys and other operations");
    const [expr] = (panel?.["expr"] ?? []) as string[];
    assert.equal(expr, `label_set(${RUNNING_BY_NAME}, "stack", "prod")`);
  });

  it("draw it up to the highest value of all lines of a graph, and only where a panel asks for it", () => {
    const panel = { title: "x", expr: ["a", "b"], alias: ["a", "b"] };
    const text = (more: object): string =>
      JSON.stringify({ title: "t", rows: [{ title: "r", panels: [{ ...panel, ...more }] }] });
    const exprOf = (more: object): unknown =>
      panelsOf(JSON.parse(renderDashboard("s", text(more))) as Shown)[0]?.["expr"];
    assert.equal((exprOf({}) as string[]).length, 2);
    const [, , mark] = exprOf({ operations: true }) as string[];
    assert.equal(mark, `label_set(${markOf(["a", "b"])}, "stack", "s")`);
    assert.match(markOf(["a", "b"]), /range_max\(max\(a, b\)\)/);
  });

  it("of the monitoring itself show all of its parts", () => {
    const asked = PAGES.flatMap(panelsOf)
      .flatMap(({ expr }) => expr as string[])
      .flatMap((expr) => [...expr.matchAll(/workload=~"([^"]*vmalert[^"]*)"/g)].map(([, names]) => names));
    assert.deepEqual([...new Set(asked)], [PARTS.join("|")]);
  });

  it("and the rules find all that they ask of the monitoring's own parts, which keep nothing else", () => {
    const texts = [...Object.values(ruleFiles()), ...Object.values(dashboardFiles("prod"))];
    const own = ownMetrics(texts);
    for (const name of ["vl_rows_dropped_total", "alertmanager_notifications_failed_total"])
      assert.ok(own.includes(name), name);
    const { scrape_configs: jobs } = parse(renderScrape(true, own)) as {
      scrape_configs: { job_name: string; metric_relabel_configs?: { regex: string }[] }[];
    };
    const parts = jobs.filter(({ metric_relabel_configs: configs }) => configs !== undefined);
    assert.deepEqual(
      parts.map(({ job_name: name }) => name),
      ["vmalert", "vmalert-logs", "alertmanager", "victoria-logs", "vlagent"],
    );
    for (const { metric_relabel_configs: [kept] = [] } of parts) assert.equal(kept?.regex, own.join("|"));
  });
});
