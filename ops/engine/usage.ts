/** What a container uses of memory and CPU. */
import { setTimeout as sleep } from "node:timers/promises";
import type Docker from "dockerode";
import { unlessGone } from "./connection.ts";

export interface Usage {
  /** Bytes, without the page cache that the kernel can take back, as `docker stats` counts. */
  readonly memory: number;
  readonly memoryLimit: number;
  /** In percent of one core. */
  readonly cpu: number;
}

/** Pure: use of memory, and of CPU since an earlier answer of the stats API. */
export function usageOf(earlier: Docker.ContainerStats, stats: Docker.ContainerStats): Usage {
  const memory = stats.memory_stats as { usage?: number; limit?: number; stats?: Record<string, number> };
  const cache = memory.stats?.["total_inactive_file"] ?? memory.stats?.["inactive_file"] ?? 0;
  const cpu = stats.cpu_stats.cpu_usage.total_usage - earlier.cpu_stats.cpu_usage.total_usage;
  const system = stats.cpu_stats.system_cpu_usage - earlier.cpu_stats.system_cpu_usage;
  const cores = stats.cpu_stats.online_cpus || 1;
  return {
    memory: Math.max(0, (memory.usage ?? 0) - cache),
    memoryLimit: memory.limit ?? 0,
    cpu: system > 0 && cpu > 0 ? (cpu / system) * cores * 100 : 0,
  };
}

/** How long the CPU is watched, in ms. The engine's own way takes up to two seconds. */
const WATCHED_MS = 500;

export async function usage(docker: Docker, id: string): Promise<Usage | undefined> {
  const ask = (): Promise<Docker.ContainerStats | undefined> =>
    unlessGone(docker.getContainer(id).stats({ stream: false, "one-shot": true }));
  const earlier = await ask();
  await sleep(WATCHED_MS);
  const stats = await ask();
  return earlier?.cpu_stats === undefined || stats?.memory_stats === undefined
    ? undefined
    : usageOf(earlier, stats);
}
