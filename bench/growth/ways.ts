/** What the streams of a stack need beside CPU and memory: connections and open files of the edge, and places in the replicas. */
import { readdirSync, readFileSync } from "node:fs";
import { planEdgeMemory } from "../../infra/components/edge/memory.ts";
import { docker, type TestStack } from "../../test/support/stack.ts";
import { one } from "../monitoring/stack.ts";
import type { Gauge } from "./gauges.ts";

/** Of one replica, as /api/diag/connections lists it. */
interface Places {
  readonly streams: number;
  readonly max: number;
}

export async function placesOf(stack: TestStack): Promise<Places[]> {
  const answer = await fetch(`${stack.http}/api/diag/connections`, { signal: AbortSignal.timeout(2000) });
  return ((await answer.json()) as { replicas: Places[] }).replicas;
}

/** Open files of a process, and how many it may have; undefined for one that has ended. */
function filesOf(pid: number): { readonly used: number; readonly limit: number } | undefined {
  try {
    const limit = /^Max open files\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/limits`, "utf8"))?.[1];
    return { used: readdirSync(`/proc/${pid}/fd`).length, limit: Number(limit) };
  } catch {
    return undefined;
  }
}

const fullest = (all: readonly { readonly used: number; readonly limit: number }[]) =>
  all.toSorted((left, right) => right.used / right.limit - left.used / left.limit)[0];

/** @returns what to ask at each look at the stack */
export async function waysOf(stack: TestStack): Promise<() => Promise<Gauge[]>> {
  const edge = docker.getContainer(await one(stack, "edge"));
  const { workerConnections } = planEdgeMemory(((await edge.inspect()).HostConfig.Memory ?? 0) / 1024 / 1024);
  return async () => {
    const gauges: Gauge[] = [];
    const { Processes } = (await edge.top({ ps_args: "-o pid,args" })) as { Processes: string[][] };
    const workers = Processes.filter(([, ...args]) => args.join(" ").includes("worker process"));
    const files = workers.flatMap(([pid]) => filesOf(Number(pid)) ?? []);
    const most = fullest(files);
    if (most) {
      gauges.push({ what: "open files of the edge's fullest worker", ...most, unit: "files" });
      gauges.push({
        what: "connections of the edge's fullest worker",
        used: Math.max(...files.map(({ used }) => used)),
        limit: workerConnections,
        unit: "connections",
      });
    }
    // An edge that is full does not answer this either: the other gauges say why.
    const places = await placesOf(stack).catch(() => []);
    const replica = fullest(places.map(({ streams, max }) => ({ used: streams, limit: max })));
    if (replica) gauges.push({ what: "streams of the fullest replica", ...replica, unit: "streams" });
    return gauges;
  };
}

/** The lines of nginx' own error log by their cause, which say why it refused; how often each. */
export async function edgeErrors(stack: TestStack, since: number): Promise<Record<string, number>> {
  const log = await docker
    .getContainer(await one(stack, "edge"))
    .logs({ stderr: true, stdout: false, since: Math.floor(since / 1000), follow: false });
  return countErrors(log.toString("utf8"));
}

/** Pure: `2026/11/27 16:00:00 [alert] 29#29: 8192 worker_connections are not enough while …`, without what differs from line to line. */
export function countErrors(text: string): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const line of text.split("\n")) {
    const said = /\[(?:warn|error|crit|alert|emerg)\] \d+#\d+: (?:\*\d+ )?(.*)$/.exec(line)?.[1];
    if (said === undefined) continue;
    const cause = said
      .replace(/(?: while |, client:|, server:|, excess:|: [\d.]+ by zone).*$/, "")
      .replace(/worker process \d+/, "a worker process");
    counts[cause] = (counts[cause] ?? 0) + 1;
  }
  return counts;
}
