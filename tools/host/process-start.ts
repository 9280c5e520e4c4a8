/** What Linux says of a process. A pid alone means little: pids are used again. */
import { readFileSync } from "node:fs";

/** When a process started, in the kernel's clock ticks since boot; undefined when there is none. */
export function startTimeOf(pid: number): string | undefined {
  try {
    return parseStartTime(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return undefined;
  }
}

/** Field 22 of /proc/PID/stat. The name in field 2 may hold spaces and brackets, so counting starts after it. */
export function parseStartTime(stat: string): string | undefined {
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  // A zombie is no running process, though its files are still there.
  return fields[0] === "Z" || fields[0] === "X" ? undefined : fields[19];
}

/** The short name of a process's program; undefined when there is none. */
export function nameOf(pid: number): string | undefined {
  if (startTimeOf(pid) === undefined) return undefined;
  try {
    return readFileSync(`/proc/${pid}/comm`, "utf8").trim();
  } catch {
    return undefined;
  }
}

/** The id of this boot: start times of another boot mean nothing. */
export function bootId(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  } catch {
    return "";
  }
}

/** The pid that a pid file holds. */
export function readPidFile(path: string): number | undefined {
  try {
    const pid = Number(readFileSync(path, "utf8").trim());
    return Number.isInteger(pid) && pid > 0 ? pid : undefined;
  } catch {
    return undefined;
  }
}

/** True while a process of this pid runs. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

export async function sleep(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}
