/**
 * The dashboards as vmui reads them. It has no annotations, so what an operator did is drawn as one more line of a graph: it
 * rises to the highest value that the graph has when an operation begins, and falls when it is over.
 */
import { join } from "node:path";
import { filesOf } from "./files.ts";

/** 1 from the moment on when `ops` begins to change the stack, 0 from its end on (ops/stack/quiet.ts). */
export const OPERATION_RUNNING = "omniai_operation_running";

/** A run that is lost says nothing of its end: after so long it is taken for over. */
export const OPERATION_LONGEST = "30m";

/** The operation that is a state: the operator ends it with a command of its own, maybe days later. */
export const MAINTENANCE = "maintenance";

/** As long as metrics are kept by default. */
const MAINTENANCE_LONGEST = "15d";

interface Panel {
  readonly title: string;
  readonly expr: readonly string[];
  readonly alias?: readonly string[];
  /** Whether what the operator did is drawn into it; vmui knows no such field, and does not get it. */
  readonly operations?: boolean;
}

interface Dashboard {
  readonly title: string;
  readonly rows: readonly { readonly title: string; readonly panels: readonly Panel[] }[];
}

/** What says of a moment whether an operation is under way, and that at one point of the graph where it was shorter than a step (1i). */
const signsOf = (offset: string): readonly string[] => [
  `max_over_time(${OPERATION_RUNNING}[1i]${offset})`,
  `last_over_time(${OPERATION_RUNNING}[${OPERATION_LONGEST}]${offset})`,
  `last_over_time(${OPERATION_RUNNING}{operation="${MAINTENANCE}"}[${MAINTENANCE_LONGEST}]${offset})`,
];

/** Which operations are under way, a line each, by their name. */
export const RUNNING_BY_NAME = `max by (operation) (${signsOf("").join(" or ")}) == 1`;

/** Pure: 1 while any is. */
const running = (offset = ""): string => `(max(${signsOf(offset).join(", ")}) == 1)`;

/** Pure: the line. A point of 0 on each side gives it its edges; a graph that is 0 everywhere gets it up to 1. */
export const markOf = (expr: readonly string[]): string =>
  [
    `((range_max(max(${expr.join(", ")})) > 0) default 1) if ${running()}`,
    `0 * ${running(" offset 1i")}`,
    `0 * ${running(" offset -1i")}`,
  ]
    .map((part) => `(${part})`)
    .join(" or ");

/**
 * By this label vmui groups what stands below a graph (`?legend_group=stack` in the address): otherwise it groups by query, and
 * writes each of them out.
 */
export const LEGEND_GROUP = "stack";

const draw = (stack: string, { operations = false, expr, alias = [], ...panel }: Panel): Panel => ({
  ...panel,
  expr: [...expr, ...(operations ? [markOf(expr)] : [])].map(
    (one) => `label_set(${one}, "${LEGEND_GROUP}", "${stack}")`,
  ),
  alias: [...alias, ...(operations ? ["operation"] : [])],
});

/** Pure: a dashboard of a stack with its marks drawn. */
export function renderDashboard(stack: string, text: string): string {
  const { title, rows } = JSON.parse(text) as Dashboard;
  const drawn = rows.map((row) => ({ ...row, panels: row.panels.map((panel) => draw(stack, panel)) }));
  return `${JSON.stringify({ title, rows: drawn }, undefined, 2)}\n`;
}

const FOLDER = join(import.meta.dirname, "dashboards");

/** All of them by the name of their file. */
export const dashboardFiles = (stack: string): Record<string, string> =>
  Object.fromEntries(
    Object.entries(filesOf(FOLDER, ".json")).map(([name, text]) => [name, renderDashboard(stack, text)]),
  );
