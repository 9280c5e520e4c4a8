/**
 * What happened around a request that failed: the containers of every machine that started, became healthy or ended, and what
 * the edge and the replicas wrote about it. Without that, a request that is lost once in a thousand cannot be explained.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";
import { tellFailure, type LoadFailure } from "../load.ts";
import type { Lab } from "./lab.ts";

export interface Witness {
  /** What is known of these failures, as text. */
  explain(failures: readonly LoadFailure[]): string;
  stop(): void;
}

/** Something that was seen: Unix milliseconds, and a line. */
export interface Sighting {
  readonly at: number;
  readonly text: string;
}

/** How long before and after a failure something counts as around it, in seconds. */
const BEFORE = 10;
const AFTER = 5;
/** How many failures are explained: the first ones are mostly what the others are. */
const EXPLAINED = 5;

const EVENTS = ["start", "health_status", "kill", "stop", "die", "update"];
/** What a replica writes when its life changes, and nginx when something is wrong: everything else only by the request's id. */
const telling =
  /"msg":"(listening|stopping|draining|accepting no more|stopped)|\[(warn|error|crit|alert|emerg)\]/;

/** @param services the names of those whose logs are asked, once something has failed. */
export function startWitness({ machines, manager }: Lab, services: readonly string[]): Witness {
  const seen: Sighting[] = [];
  const children: ChildProcess[] = machines.map(({ name, host }) => {
    const filters = EVENTS.flatMap((event) => ["--filter", `event=${event}`]);
    const format = "{{.TimeNano}} {{.Type}} {{.Action}} {{.Actor.Attributes.name}}";
    const child = spawn("docker", ["--host", host, "events", ...filters, "--format", format], {
      stdio: ["ignore", "pipe", "ignore"],
    });
    createInterface(child.stdout).on("line", (line) => {
      const [nanoseconds = "", ...words] = line.split(" ");
      seen.push({ at: Number(nanoseconds) / 1e6, text: `${name}: ${words.join(" ")}` });
    });
    return child;
  });
  const since = new Date().toISOString();
  return {
    explain(failures) {
      const logs = services.flatMap((service) => {
        try {
          return parseLog(manager.docker("service", "logs", "--timestamps", "--since", since, service));
        } catch (error) {
          return [{ at: Date.now(), text: `no log of ${service}: ${String(error)}` }];
        }
      });
      return explainFailures(failures, seen, logs);
    },
    stop: () => children.forEach((child) => child.kill()),
  };
}

/** Pure: the lines of `docker service logs --timestamps`. */
export const parseLog = (text: string): Sighting[] =>
  text.split("\n").flatMap((line) => {
    const [, time, source, rest] = /^(\S+) (\S+)\s+\| (.*)$/.exec(line) ?? [];
    const at = Date.parse(time ?? "");
    return Number.isNaN(at) ? [] : [{ at, text: `${source}: ${rest}` }];
  });

/** Pure: each of the first failures with what was seen around it, in the order of time. */
export function explainFailures(
  failures: readonly LoadFailure[],
  events: readonly Sighting[],
  logs: readonly Sighting[],
): string {
  const blocks = failures.slice(0, EXPLAINED).map((failure) => {
    const isNear = ({ at }: Sighting): boolean =>
      at >= failure.at - BEFORE * 1000 && at <= failure.at + AFTER * 1000;
    const around = [
      ...events.filter(isNear),
      // A line is written when its request ends, which may be late.
      ...logs.filter((line) => line.text.includes(failure.id) || (isNear(line) && telling.test(line.text))),
    ].sort((left, right) => left.at - right.at);
    const lines = around.map(({ at, text }) => {
      const seconds = (at - failure.at) / 1000;
      return `  ${seconds < 0 ? "" : "+"}${seconds.toFixed(2)} s ${text}`;
    });
    return [tellFailure(failure), ...(lines.length > 0 ? lines : ["  nothing was seen around it"])].join(
      "\n",
    );
  });
  const rest = failures.length - EXPLAINED;
  return [...blocks, ...(rest > 0 ? [`and ${rest} more`] : [])].join("\n");
}
