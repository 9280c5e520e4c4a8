/** The dashboards as vmui gets them. What their queries find is seen on a whole stack (test/e2e/monitoring.test.ts). */
import { strict as assert } from "node:assert";
import { dashboardFiles, markOf, renderDashboard } from "../components/monitoring/dashboards.ts";

interface Shown {
  readonly title: string;
  readonly rows: readonly { readonly panels: readonly Record<string, unknown>[] }[];
}

const pages = Object.values(dashboardFiles("prod")).map((text) => JSON.parse(text) as Shown);
const panelsOf = ({ rows }: Shown): readonly Record<string, unknown>[] =>
  rows.flatMap(({ panels }) => panels);

/** What vmui knows of a panel (PanelSettings in its app/vmui/packages/vmui/src/types/index.ts). */
const KNOWN = ["title", "description", "unit", "expr", "alias", "showLegend", "width"];

describe("the dashboards", () => {
  it("have a name for each line, and nothing that vmui does not know", () => {
    for (const page of pages)
      for (const panel of panelsOf(page)) {
        const where = `${page.title}: ${String(panel["title"])}`;
        assert.equal((panel["alias"] as string[]).length, (panel["expr"] as string[]).length, where);
        for (const key of Object.keys(panel)) assert.ok(KNOWN.includes(key), `${where}: ${key}`);
      }
  });

  it("say of each line which stack it is of, by which vmui groups them", () => {
    for (const page of pages)
      for (const panel of panelsOf(page))
        for (const expr of panel["expr"] as string[])
          assert.match(expr, /^label_set\(.*, "stack", "prod"\)$/);
  });

  it("draw what the operator did into every graph of the overview that shows what it does to visitors", () => {
    const overview = pages.find(({ title }) => title === "Overview");
    assert.ok(overview);
    const drawn = panelsOf(overview)
      .filter(({ alias }) => (alias as string[]).includes("operation"))
      .map(({ title }) => title);
    for (const title of ["Requests", "Errors", "Answer time", "Open streams", "CPU of the containers"])
      assert.ok(drawn.includes(title), title);
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
});
