import { readFileSync } from "node:fs";

/** Which process it was: a pid alone is given out again after a while. */
export interface ProcessIdentity {
  readonly pid: number;
  /** When it started, in the kernel's own unit; undefined where the system does not say (no /proc). */
  readonly start?: string;
}

export function thisProcess(): ProcessIdentity {
  return { pid: process.pid, start: startOf(process.pid) };
}

/** Whether that very process still runs. One of another user counts as running. */
export function isAlive(identity: ProcessIdentity): boolean {
  try {
    process.kill(identity.pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
  }
  const start = startOf(identity.pid);
  return start === undefined || identity.start === undefined || start === identity.start;
}

/** Field 22 of /proc/PID/stat. The command's name before it may hold spaces and brackets. */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  } catch {
    return undefined;
  }
}
