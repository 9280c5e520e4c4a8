/** Who a process id belongs to, and who listens on a port: /proc where there is one. */
import fs from "node:fs";

/** True when a process of this id runs on this machine. */
export function isAlive(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

const readText = (file: string): string | undefined => {
  try {
    return fs.readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
};

/** When a process started; undefined where the system does not say. Tells a reused process id from the old one. */
export function startOf(pid: number): Date | undefined {
  const stat = readText(`/proc/${pid}/stat`);
  const boot = /^btime (\d+)$/m.exec(readText("/proc/stat") ?? "")?.[1];
  // The command's name may hold spaces and brackets; the fields after it do not. Start time is field 22.
  const ticks = stat?.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  if (ticks === undefined || boot === undefined) return undefined;
  // 100 ticks a second on every Linux that Node runs on (USER_HZ).
  return new Date(Number(boot) * 1000 + Number(ticks) * 10);
}

/** The command line of a process, for people. */
export function commandOf(pid: number): string | undefined {
  const line = readText(`/proc/${pid}/cmdline`)?.replaceAll("\0", " ").trim();
  if (line !== undefined && line !== "") return line.length > 100 ? `${line.slice(0, 100)}…` : line;
  return readText(`/proc/${pid}/comm`)?.trim();
}

/** Pure: the socket inodes that listen on a port, out of /proc/net/tcp or tcp6. */
export function listeningInodes(table: string, port: number): string[] {
  const hex = port.toString(16).toUpperCase().padStart(4, "0");
  return table
    .split("\n")
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[3] === "0A" && fields[1]?.endsWith(`:${hex}`))
    .map((fields) => fields[9])
    .filter((inode) => inode !== undefined);
}

export interface PortHolder {
  readonly pid: number;
  readonly command: string;
}

/** The process that listens on a TCP port; undefined where the system does not let us see it. */
export function listenerOn(port: number): PortHolder | undefined {
  const inodes = new Set(
    ["/proc/net/tcp", "/proc/net/tcp6"].flatMap((file) => listeningInodes(readText(file) ?? "", port)),
  );
  if (inodes.size === 0) return undefined;
  for (const pid of fs.readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    let descriptors: string[];
    try {
      descriptors = fs.readdirSync(`/proc/${pid}/fd`);
    } catch {
      continue;
    }
    for (const descriptor of descriptors) {
      try {
        const inode = /^socket:\[(\d+)\]$/.exec(fs.readlinkSync(`/proc/${pid}/fd/${descriptor}`))?.[1];
        if (inode !== undefined && inodes.has(inode)) {
          return { pid: Number(pid), command: commandOf(Number(pid)) ?? "unknown" };
        }
      } catch {
        // The descriptor was closed in the meantime.
      }
    }
  }
  return undefined;
}
