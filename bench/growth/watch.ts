/** Looks at a stack and its machine each second: CPU, memory, disks, and what else somebody wants to know. */
import { readFileSync } from "node:fs";
import { cpus } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { docker, type TestStack } from "../../test/support/stack.ts";
import { takenOf } from "../monitoring/stack.ts";
import type { ContainerCounters, Counters, Gauge } from "./gauges.ts";

const EVERY = 1000;
/** The kernel counts CPU time by these (USER_HZ, proc(5)). */
const TICKS = 100;

interface Known {
  readonly name: string;
  readonly workload: string;
  readonly cores: number;
  readonly memoryLimitMiB: number;
  /** Its first process, on the host. */
  readonly pid: number;
}

async function known(stack: TestStack): Promise<Known[]> {
  const names = await stack.containers();
  return Promise.all(
    names.map(async (name) => {
      const { Config, HostConfig, State } = await docker.getContainer(name).inspect();
      return {
        name,
        workload: Config.Labels["io.omniai.workload"] ?? name,
        cores: (HostConfig.NanoCpus ?? 0) / 1e9,
        memoryLimitMiB: (HostConfig.Memory ?? 0) / 2 ** 20,
        pid: State.Pid,
      };
    }),
  );
}

/** CPU time that was neither idle nor spent waiting for a disk. */
function busySeconds(): number {
  const [, user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = readFileSync("/proc/stat", "utf8")
    .split("\n", 1)[0]!
    .split(/\s+/)
    .map(Number);
  return (user + nice + system + irq + softirq) / TICKS;
}

function memory(): { readonly memoryMiB: number; readonly memoryLimitMiB: number } {
  const text = readFileSync("/proc/meminfo", "utf8");
  const of = (field: string): number =>
    Number(new RegExp(`^${field}:\\s+(\\d+)`, "m").exec(text)?.[1]) / 1024;
  return { memoryMiB: of("MemTotal") - of("MemAvailable"), memoryLimitMiB: of("MemTotal") };
}

/** The 10th value of each disk: the ms in which it had something to do (Documentation/admin-guide/iostats.rst). */
const diskSeconds = (): number =>
  Math.max(
    0,
    ...readFileSync("/proc/diskstats", "utf8")
      .split("\n")
      .filter((line) => !/ (loop|ram)\d+ /.test(line))
      .map((line) => Number(line.trim().split(/\s+/)[12] ?? 0) / 1000),
  );

/** As the container sees its own cgroup, of version 2 or 1. Only these count processes other than its first. */
function killsOf(pid: number): number {
  for (const file of ["memory.events", "memory/memory.oom_control"]) {
    try {
      const text = readFileSync(`/proc/${pid}/root/sys/fs/cgroup/${file}`, "utf8");
      return Number(/^oom_kill (\d+)$/m.exec(text)?.[1] ?? 0);
    } catch {
      // The other version, or without root: then nothing is known of them.
    }
  }
  return 0;
}

async function countersOf(one: Known): Promise<ContainerCounters[]> {
  try {
    const { memory: memoryMiB, cpu } = await takenOf(one.name);
    return [{ ...one, cpuSeconds: cpu, memoryMiB, kills: killsOf(one.pid) }];
  } catch {
    // It may have gone since the list was made; the others are still of interest.
    return [];
  }
}

export interface Watch {
  /** Everything seen until now. */
  looks(): readonly Counters[];
  stop(): Promise<readonly Counters[]>;
}

/** @param more further gauges, asked at each look; what it cannot say, it leaves out. */
export async function startWatch(
  stack: TestStack,
  more: () => Promise<readonly Gauge[]> = () => Promise.resolve([]),
): Promise<Watch> {
  const containers = await known(stack);
  const looks: Counters[] = [];
  const stopping = new AbortController();
  const look = async (): Promise<void> => {
    const [all, others] = await Promise.all([Promise.all(containers.map(countersOf)), more()]);
    looks.push({
      at: Date.now(),
      cores: cpus().length,
      busySeconds: busySeconds(),
      diskSeconds: diskSeconds(),
      ...memory(),
      containers: all.flat(),
      more: others,
    });
  };
  await look();
  const watching = (async () => {
    while (!stopping.signal.aborted) {
      await sleep(EVERY, undefined, { signal: stopping.signal }).catch(() => undefined);
      await look();
    }
  })();
  return {
    looks: () => looks,
    async stop() {
      stopping.abort();
      await watching;
      return looks;
    },
  };
}
