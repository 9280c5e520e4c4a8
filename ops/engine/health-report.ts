/** Tells people how the containers of a stack are: after an update, in `health` and in `status`. */
import type Docker from "dockerode";
import { schemaOf } from "../../infra/config/schema.ts";
import { npmRun } from "../terminal/npm-run.ts";
import { ago, indented, note, paint, print, table } from "../terminal/output.ts";
import { lastLog } from "./container-log.ts";
import { tellingLines } from "./log-lines.ts";
import { isGood, listContainers, type ContainerView } from "./containers.ts";

/** Pure: "healthy", "unhealthy", "restarting (3 restarts)", "exited (code 1, out of memory)". */
export function condition(view: ContainerView): string {
  if (view.state === "running") return view.health === "none" ? "running (no health check)" : view.health;
  const facts = [
    ...(view.state === "exited" || view.state === "dead" ? [`code ${view.exitCode}`] : []),
    ...(view.oomKilled ? ["out of memory"] : []),
    ...(view.restarts > 0 ? [`${view.restarts} restarts`] : []),
    ...(view.error === "" ? [] : [view.error]),
  ];
  return facts.length === 0 ? view.state : `${view.state} (${facts.join(", ")})`;
}

/** The keys of the memory limits whose names do not begin with the workload. */
const memoryKeys: Readonly<Record<string, string>> = {
  cloudflared: "tunnelMemory",
  certificates: "acmeMemory",
  "victoria-metrics": "monitoringMemory",
};

/** Pure: the config key of a workload's memory limit; undefined where it is fixed. */
function memoryKeyOf(workload: string): string | undefined {
  const key = memoryKeys[workload] ?? `${workload}Memory`;
  return schemaOf(key) === undefined ? undefined : key;
}

/** Pure: what to do about a container that is not healthy. */
export function advice(view: ContainerView, all: readonly ContainerView[], stack: string): string {
  const logs = npmRun("logs", stack, view.workload);
  const up = npmRun("up", stack);
  const others = all.filter(
    (other) => other.workload === view.workload && other.id !== view.id && isGood(other),
  );
  const serving =
    others.length > 0
      ? ` Meanwhile ${others.map(({ name }) => name).join(", ")} ${others.length > 1 ? "go" : "goes"} on serving.`
      : "";
  const memory = memoryKeyOf(view.workload);
  if (view.oomKilled && memory !== undefined)
    return `Give it more memory (omniai:${memory}) and run \`${up}\`.${serving}`;
  if (view.state === "exited" || view.state === "created" || view.state === "dead") {
    return `Look at the lines above (more: ${logs}), correct the cause and run \`${up}\`, which starts it again.${serving}`;
  }
  return `Look at the lines above (more: ${logs}), correct the cause and run \`${up}\`.${serving}`;
}

/** One line per container. */
export const healthTable = (views: readonly ContainerView[]): string[] =>
  table(
    views.map((view) => [
      paint(isGood(view) ? "green" : "red", isGood(view) ? "✓" : "✗"),
      view.workload,
      String(view.replica),
      view.name,
      condition(view),
      view.startedAt && view.state === "running" ? `started ${ago(new Date(view.startedAt))}` : "",
    ]),
  );

/** So many lines of a log are searched for errors: a replica that never got ready writes far fewer. */
const LOOKED_AT = 2000;
const MOST_BAD = 10;
const MOST_LAST = 5;

/** Pure: what a container says about itself, what is wrong first. */
export function explanation({ lastProbe }: ContainerView, log: string): string[] {
  const { bad, last } = tellingLines(log, { bad: MOST_BAD, last: MOST_LAST });
  const section = (title: string, lines: readonly string[], none: string): string[] => [
    `  ${title}:`,
    ...(lines.length > 0 ? lines : [none]).flatMap((line) => indented(line)),
  ];
  return [
    ...(bad.length > 0 ? section("Its errors and warnings", bad, "") : []),
    ...(lastProbe === undefined
      ? []
      : section(
          `Last health check (exit ${lastProbe.exitCode})`,
          tellingLines(lastProbe.output, { bad: MOST_BAD, last: MOST_BAD }).last,
          "(no output)",
        )),
    ...section("Last log lines", last, "(none)"),
  ];
}

/** Prints on standard error everything that helps to find out why containers are not healthy. */
export async function explainContainers(
  docker: Docker,
  stack: string,
  all: readonly ContainerView[],
): Promise<void> {
  for (const view of all.filter((one) => !isGood(one))) {
    note();
    note(
      paint(
        ["bold", "red"],
        `${view.workload} ${view.replica} (${view.name}): ${condition(view)}`,
        process.stderr,
      ),
    );
    const log = await lastLog(docker, view.id, LOOKED_AT).catch(() => "");
    for (const line of explanation(view, log)) note(line);
    note(`  ${advice(view, all, stack)}`);
  }
}

/** How long a container that runs may take to become healthy again, in seconds: some checks, the longest 5 s apart. */
const RECOVERY_SECONDS = 20;

/**
 * Waits for containers that are still starting: an update that changed nothing has not waited for them. One that is not
 * healthy gets some time as well: a replica whose database was just made anew says so only with its next checks.
 */
export async function settledContainers(
  docker: Docker,
  stack: string,
  seconds: number,
): Promise<ContainerView[]> {
  const began = Date.now();
  for (;;) {
    const views = await listContainers(docker, stack);
    const passed = (Date.now() - began) / 1000;
    const running = views.filter(({ state }) => state === "running");
    const starting = running.some(({ health }) => health === "starting");
    const recovering = running.some(({ health }) => health === "unhealthy") && passed < RECOVERY_SECONDS;
    if ((!starting && !recovering) || passed >= seconds) return views;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}

export interface Urls {
  /** The page, where the edge serves it. */
  readonly page?: string;
  /** The one that leads through the tunnel. */
  readonly public?: string;
  readonly http?: string;
  readonly https?: string;
}

/** In this order: what a person opens comes first. */
const URL_KINDS = ["page", "public", "http", "https"] as const;

/** Pure: the URLs in the stack's outputs. */
export function urlsOf(outputs: Readonly<Record<string, { value: unknown }>>): Urls {
  const urls = outputs["urls"]?.value;
  if (typeof urls !== "object" || urls === null) return {};
  const known = urls as Record<string, unknown>;
  return Object.fromEntries(
    URL_KINDS.flatMap((kind) => (typeof known[kind] === "string" ? [[kind, known[kind]]] : [])),
  );
}

export function printUrls(urls: Urls): void {
  for (const kind of URL_KINDS) if (urls[kind] !== undefined) print(`  ${paint("cyan", urls[kind])}`);
}
