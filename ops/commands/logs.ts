/** `npm run logs`: what the containers write, each line with the workload and replica it comes from. */
import { PassThrough } from "node:stream";
import type Docker from "dockerode";
import { unframe } from "../engine/container-log.ts";
import { identityOf, type Identity, listContainers, type ContainerView } from "../engine/containers.ts";
import { findLines } from "../engine/log-store.ts";
import { byStack } from "../engine/stack-filter.ts";
import { SwarmLogs, type SwarmLine } from "../engine/swarm-logs.ts";
import { findPlace, type CommonOptions } from "../stack/place.ts";
import { openEngine } from "../stack/look.ts";
import { signals } from "../stack/this-process.ts";
import { exit, OpsError } from "../terminal/errors.ts";
import { npmRun } from "../terminal/npm-run.ts";
import { allWritten, note, paint, print } from "../terminal/output.ts";

export interface LogsOptions extends CommonOptions {
  readonly follow?: boolean;
  readonly tail: number;
  readonly since?: string;
  readonly grep?: string;
  readonly level?: string;
  readonly request?: string;
}

/** Ended by the operator, it has done what it was asked for. */
const following = {
  title: "following the logs",
  cancel: (): void => void allWritten().then(() => process.exit(exit.ok)),
};

/** How far back is looked where nobody says it: the whole store would take long. */
const SINCE = "1h";

const units: Readonly<Record<string, number>> = { s: 1, m: 60, min: 60, h: 3600, d: 86_400 };

/** Pure: "10m", "2h" or a date, as seconds since 1970. @throws OpsError for anything else */
export function sinceSeconds(text: string, now: Date = new Date()): number {
  const relative = /^(\d+)\s*(s|m|min|h|d)$/.exec(text.trim());
  if (relative !== null)
    return Math.floor(now.getTime() / 1000) - Number(relative[1]) * (units[relative[2] ?? "s"] ?? 1);
  const date = new Date(text);
  if (Number.isNaN(date.getTime())) {
    throw new OpsError(
      `--since ${text} is not a time.`,
      'Give a span such as "10m", "2h" or "1d", or a date such as "2026-11-23T10:00".',
      exit.usage,
    );
  }
  return Math.floor(date.getTime() / 1000);
}

const COLOURS = ["cyan", "yellow", "green", "magenta", "blue"] as const;

/** Splits a stream into lines without their line ends and hands each on, also the last one. */
export function eachLine(onLine: (line: string) => void): PassThrough {
  const stream = new PassThrough({ encoding: "utf8" });
  let rest = "";
  stream.on("data", (text: string) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) onLine(line.replace(/\r$/, ""));
  });
  stream.on("end", () => {
    if (rest !== "") onLine(rest);
  });
  return stream;
}

export async function logs(workload: string | undefined, options: LogsOptions): Promise<void> {
  const place = findPlace(options);
  const { docker } = await openEngine(place, options);
  const searches = options.grep !== undefined || options.level !== undefined || options.request !== undefined;
  if (place.settings.config.platform === "swarm") {
    if (searches) throw noSearch;
    return logsOfSwarm(docker, place.stack, workload, options);
  }
  if (searches) return search(docker, place.stack, workload, options);
  const all = await listContainers(docker, place.stack);
  const views = all.filter((view) => workload === undefined || view.workload === workload);
  if (views.length === 0) {
    const known = [...new Set(all.map((view) => view.workload))];
    throw nothingOf(place.stack, workload, known, "container on this engine");
  }
  const since = options.since === undefined ? undefined : sinceSeconds(options.since);
  const width = Math.max(...views.map((view) => label(view).length));
  if (options.follow) return follow(docker, place.stack, workload, views, width, options.tail, since);
  for (const view of views) {
    const log = await docker
      .getContainer(view.id)
      .logs({ stdout: true, stderr: true, follow: false, tail: options.tail, since });
    const text = unframe(log).trimEnd();
    if (text !== "") for (const line of text.split("\n")) print(prefix(view, label(view), width) + line);
  }
}

function nothingOf(
  stack: string,
  workload: string | undefined,
  known: readonly string[],
  what: string,
): OpsError {
  return new OpsError(
    workload === undefined || known.length === 0
      ? `Stack ${stack} has no ${what}.`
      : `Stack ${stack} has no workload "${workload}". It has: ${known.join(", ")}.`,
    known.length === 0 ? `Deploy it: ${npmRun("up", stack)}` : "Name one of them.",
    exit.usage,
  );
}

const noSearch = new OpsError(
  "--grep, --level and --request look where monitoring keeps all lines, and a stack on a swarm has no monitoring.",
  "Leave them out and filter what comes, for example: npm run --silent logs -- --since 2h --tail 10000 | grep TEXT",
  exit.usage,
);

/** The lines of all nodes, as the manager hands them over. */
async function logsOfSwarm(
  docker: Docker,
  stack: string,
  workload: string | undefined,
  { tail, since: from, follow: follows }: LogsOptions,
): Promise<void> {
  const range = { tail, ...(from === undefined ? {} : { since: sinceSeconds(from) }) };
  const swarm = await SwarmLogs.open(docker, stack);
  const { workloads } = swarm;
  if (workload === undefined ? workloads.length === 0 : !workloads.includes(workload))
    throw nothingOf(stack, workload, workloads, "service on this swarm");
  const width = await swarm.width();
  const show = (line: SwarmLine): void => print(prefix(line, line.label, width) + line.text);
  // On standard error, so that what is there can be piped on.
  const tell = (what: string): void => note(paint("yellow", what, process.stderr));
  if (follows === true) {
    signals.begin(following);
    return swarm.follow(workload, range, show, tell);
  }
  const { lines, missing } = await swarm.read(workload, range);
  lines.forEach(show);
  missing.forEach(tell);
}

/** Looks in the place where the lines of all containers are kept, also of those that are gone. */
async function search(
  docker: Docker,
  stack: string,
  workload: string | undefined,
  { follow: follows, tail, since = SINCE, grep, level, request }: LogsOptions,
): Promise<void> {
  if (follows === true)
    throw new OpsError(
      "--follow goes with neither --grep, --level nor --request.",
      "Leave it out.",
      exit.usage,
    );
  signals.begin({ title: `searching the logs of stack ${stack}` });
  const query = { workload, grep, level, request, since: sinceSeconds(since), limit: tail };
  const lines = await findLines(docker, stack, query);
  const width = Math.max(0, ...lines.map((line) => label(line).length));
  for (const line of lines) print(`${line.time} ${prefix(line, label(line), width)}${line.text}`);
  if (lines.length === 0) print(`No line fits since ${since}.`);
}

const label = (view: Identity): string => `${view.workload}.${view.replica}`;

function prefix({ workload, replica }: Identity, name: string, width: number): string {
  const hue = [...workload].reduce((sum, letter) => sum + letter.charCodeAt(0), replica) % COLOURS.length;
  return `${paint(COLOURS[hue] ?? "cyan", name.padEnd(width))} | `;
}

/** Follows the containers that are there and those that start later, because an update replaces them. */
async function follow(
  docker: Docker,
  stack: string,
  workload: string | undefined,
  views: readonly ContainerView[],
  width: number,
  tail: number,
  since: number | undefined,
): Promise<void> {
  signals.begin(following);
  // A container that starts again ends its log and begins another one, which is followed from there on.
  const followed = new Set<string>();
  const attach = async (
    view: Identity & { readonly id: string },
    lines: number | "all",
    from?: number,
  ): Promise<void> => {
    if (followed.has(view.id)) return;
    followed.add(view.id);
    const stream = await docker.getContainer(view.id).logs({
      stdout: true,
      stderr: true,
      follow: true,
      ...(lines === "all" ? {} : { tail: lines }),
      since: from,
    });
    const out = eachLine((line) => print(prefix(view, label(view), width) + line));
    docker.modem.demuxStream(stream, out, out);
    stream.on("end", () => {
      followed.delete(view.id);
      out.end();
    });
  };
  const events = await docker.getEvents(byStack(stack, { type: ["container"], event: ["start"] }));
  events.setEncoding("utf8");
  events.on("data", (text: string) => {
    for (const line of text.split("\n").filter((one) => one.trim() !== "")) {
      const started = parseStart(line);
      if (started === undefined || (workload !== undefined && started.workload !== workload)) continue;
      void attach(started, "all", started.time).catch((error: Error) =>
        print(`${label(started)}: ${error.message}`),
      );
    }
  });
  await Promise.all(views.map((view) => attach(view, tail, since)));
  await new Promise<void>((resolve) => events.on("end", resolve));
}

/** Pure: the container that an engine's event says has started. */
export function parseStart(
  line: string,
): (Identity & { readonly id: string } & { time: number }) | undefined {
  try {
    const event = JSON.parse(line) as {
      time?: number;
      Actor?: { ID?: string; Attributes?: Record<string, string> };
    };
    if (event.Actor?.ID === undefined) return undefined;
    return { id: event.Actor.ID, ...identityOf(event.Actor.Attributes ?? {}), time: event.time ?? 0 };
  } catch {
    return undefined;
  }
}
