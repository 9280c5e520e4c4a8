/** Ends a process with all its descendants, as a crash of its session would. */
import { readdirSync, readFileSync } from "node:fs";

/** Kills a process and all its descendants, in whatever session they are, as a power cut would. */
export function killTree(pid: number): void {
  const children = new Map<number, number[]>();
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, "utf8");
      const parent = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
      children.set(parent, [...(children.get(parent) ?? []), Number(entry)]);
    } catch {
      // It ended meanwhile.
    }
  }
  const all = (root: number): number[] => [root, ...(children.get(root) ?? []).flatMap(all)];
  for (const victim of all(pid)) {
    try {
      process.kill(victim, "SIGKILL");
    } catch {
      // It ended meanwhile.
    }
  }
}
