/** What a load costs a server's process. */
import { readFileSync, writeFileSync } from "node:fs";

export interface Cost {
  readonly cpuSeconds: number;
  /** The most memory that it had resident meanwhile. */
  readonly peakMiB: number;
}

/** Resident memory of a process, KiB. */
export const residentOf = (pid: number): number => kibibytes(pid, "VmRSS");

const kibibytes = (pid: number, field: string): number =>
  Number(new RegExp(`^${field}:\\s+(\\d+)`, "m").exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);

/** Ticks of 10 ms that a process has used: the 14th and 15th field, of which the second one is a name in brackets. */
function ticksOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
    .replace(/^.*\) /, "")
    .split(" ");
  return Number(fields[11]) + Number(fields[12]);
}

/** Runs the load and looks what it costs. */
export async function costOf(pid: number, work: () => Promise<unknown>): Promise<Cost> {
  // Begins to count the peak anew (proc(5), clear_refs).
  writeFileSync(`/proc/${pid}/clear_refs`, "5");
  const before = ticksOf(pid);
  await work();
  return { cpuSeconds: (ticksOf(pid) - before) / 100, peakMiB: kibibytes(pid, "VmHWM") / 1024 };
}
