/** What a process runs, and which process listens on a port. It reads /proc, and knows nothing where there is none. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";

const readText = (file: string): string | undefined => {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
};

/** The command line of a process, for people. */
export function commandOf(pid: number): string | undefined {
  const line = readText(`/proc/${pid}/cmdline`)?.replaceAll("\0", " ").trim();
  if (line !== undefined && line !== "") return line.length > 100 ? `${line.slice(0, 100)}…` : line;
  return readText(`/proc/${pid}/comm`)?.trim();
}

/** Pure: the inodes of the sockets that listen on a port, from the text of /proc/net/tcp or tcp6. */
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

/** The process that listens on a TCP port; undefined where the system does not show it. */
export function listenerOn(port: number): PortHolder | undefined {
  const inodes = new Set(
    ["/proc/net/tcp", "/proc/net/tcp6"].flatMap((file) => listeningInodes(readText(file) ?? "", port)),
  );
  if (inodes.size === 0) return undefined;
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    let descriptors: string[];
    try {
      descriptors = readdirSync(`/proc/${pid}/fd`);
    } catch {
      continue;
    }
    for (const descriptor of descriptors) {
      try {
        const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${descriptor}`))?.[1];
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
