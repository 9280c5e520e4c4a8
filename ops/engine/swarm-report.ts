/** Tells people how the services of a stack are on the nodes of its swarm: after an update, in `health` and in `status`. */
import type Docker from "dockerode";
import { npmRun } from "../terminal/npm-run.ts";
import { ago, bytes, indented, note, paint, print, table } from "../terminal/output.ts";
import { tellingLines } from "./log-lines.ts";
import { readServiceLog } from "./service-log.ts";
import {
  isGoodNode,
  isGoodService,
  problemsOf,
  type ServiceView,
  type SwarmView,
  type TaskView,
} from "./swarm-view.ts";
import type { Usage } from "./usage.ts";

const mark = (isGood: boolean): string => paint(isGood ? "green" : "red", isGood ? "✓" : "✗");

/** Pure: "healthy", "starting", "pending (no suitable node)", "not known: its node does not answer". */
export function taskCondition({ state, health, error }: TaskView): string {
  if (state === "running") return health === "none" ? "running (no health check)" : health;
  if (state === "unknown") return "not known: its node does not answer";
  return error === "" ? state : `${state} (${error})`;
}

/** One line for each node. */
export const nodeTable = ({ nodes }: SwarmView): string[] =>
  table(
    nodes.map((node) => [
      mark(isGoodNode(node)),
      node.name,
      node.state,
      node.availability === "active" ? "" : node.availability,
      [node.role, ...(node.edge ? ["edge"] : [])].join(", "),
    ]),
  );

/**
 * Pure but for the time: one line for each task.
 * @param usage of the containers that could be asked, by id.
 */
export const taskTable = (
  { services }: SwarmView,
  usage: ReadonlyMap<string, Usage> = new Map(),
): string[] => {
  const rows = services.flatMap((service) =>
    service.tasks.map((task) => {
      const used = usage.get(task.container);
      return [
        mark(task.state === "running" || task.state === "stopping"),
        task.workload,
        task.replica === 0 ? "" : String(task.replica),
        task.node === "" ? "(no node)" : task.node,
        taskCondition(task),
        task.state === "running" && task.since !== ""
          ? `up ${ago(new Date(task.since)).replace(/ ago$/, "")}`
          : "",
        used === undefined ? "" : `${bytes(used.memory)} of ${bytes(used.memoryLimit)}`,
        used === undefined ? "" : `${used.cpu.toFixed(1)} % CPU`,
        task.image,
      ];
    }),
  );
  return table(rows);
};

/** Pure: a line for each service: "✓ backend 2 of 2". */
export const serviceTable = ({ services }: SwarmView): string[] =>
  table(
    services.map((service) => [
      mark(isGoodService(service)),
      service.workload,
      `${service.running} of ${service.desired} run`,
      service.update ?? "",
    ]),
  );

/** Pure: what the engine that was asked cannot say of what runs on other nodes; undefined where all is on its own. */
export function beyondReach({ nodes, services }: SwarmView): string | undefined {
  const asked = nodes.find((node) => node.asked)?.name ?? "";
  const others = services.some(({ tasks }) => tasks.some(({ node }) => node !== "" && node !== asked));
  return others
    ? `What a task takes of memory and CPU, and the words of its health checks, only the engine of its node knows: they are shown for ${asked}.`
    : undefined;
}

/** Shows all of it. @param usage of the containers that could be asked, by id. */
export function printSwarm(swarm: SwarmView, usage: ReadonlyMap<string, Usage>): void {
  const section = (title: string, lines: readonly string[]): void => {
    print(paint("bold", title));
    for (const line of lines.length === 0 ? ["  none"] : lines) print(line);
  };
  section("Nodes", nodeTable(swarm));
  print();
  section("Services", serviceTable(swarm));
  print();
  section("Tasks", taskTable(swarm, usage));
  for (const problem of problemsOf(swarm)) print(`  ${paint("red", problem)}`);
  const reach = beyondReach(swarm);
  if (reach !== undefined) print(`  ${reach}`);
}

/** Pure: a task as `--json` shows it, with the names that a container on one engine has. */
export const taskForJson = ({ name, workload, replica, node, state, health, error, since }: TaskView) => ({
  ...{ name, workload, replica, node, state, health, error },
  since,
});

/** Pure: what of a swarm is the same in every `--json`. */
export const swarmForJson = ({ nodes, services }: SwarmView) => ({
  nodes: nodes.map(({ name, state, availability, role, edge }) => ({
    ...{ name, state, availability, role, edge },
  })),
  services: services.map(({ name, workload, desired, running, update }) => ({
    ...{ name, workload, desired, running, update },
  })),
  containers: services.flatMap(({ tasks }) => tasks.map(taskForJson)),
});

/** So many lines of a task's log are searched for errors. */
const LOOKED_AT = 2000;
const MOST_BAD = 10;
const MOST_LAST = 5;

/** Prints on standard error everything that helps to find out why tasks do not run. */
export async function explainSwarm(docker: Docker, stack: string, { services }: SwarmView): Promise<void> {
  for (const service of services.filter((one) => !isGoodService(one) || one.update !== undefined)) {
    note();
    const { name, running, desired, update } = service;
    const title = `${name}: ${running} of ${desired} run${update === undefined ? "" : `; it ${update}`}`;
    note(paint(["bold", "red"], title, process.stderr));
    for (const task of service.tasks.filter(({ state }) => state !== "running"))
      note(`  ${task.name}${task.node === "" ? "" : ` on ${task.node}`}: ${taskCondition(task)}`);
    for (const line of await tellLog(docker, service)) note(line);
    note(`  Why each task has ended: docker service ps --no-trunc ${name}`);
    note(`  More of its lines: ${npmRun("logs", stack, service.workload)}`);
  }
}

/** What the tasks of a service have said of what is wrong, those that are over included: they are why others begin. */
async function tellLog(docker: Docker, { name }: ServiceView): Promise<string[]> {
  const pieces = await readServiceLog(docker, name, { tail: LOOKED_AT }).catch(() => []);
  const text = pieces.flatMap((piece) => ("text" in piece ? [piece.text] : [])).join("\n");
  const { bad, last } = tellingLines(text, { bad: MOST_BAD, last: MOST_LAST });
  const lines = bad.length > 0 ? bad : last;
  if (lines.length === 0) return [];
  return [
    bad.length > 0 ? "  Errors and warnings of its tasks:" : "  Last lines of its tasks:",
    ...lines.flatMap((line) => indented(line)),
  ];
}
