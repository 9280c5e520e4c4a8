/**
 * Decides whether a replica that does not answer is ended. The engine restarts what exits, never what is unhealthy, so
 * the program that the engine runs as the health check ends what hangs (docs/decisions/0019-healing.md). It is plain
 * JavaScript, as healthcheck.mjs is, because it runs every few seconds.
 */
import { readdirSync, readFileSync } from "node:fs";

/** A process that used no CPU time is ended after so many probes in a row without an answer: it is stopped, or hangs for good. */
export const FROZEN_MISSES = 2;
/** The same for a process that used CPU time: it may only be short of it. */
export const DEAF_MISSES = 12;

/**
 * The service's process is the init's only child; processes that the engine runs in the container have no parent in it.
 * @returns its pid, its start time, which tells it from a later process with the same pid, and its CPU time so far, in
 *   clock ticks.
 */
export function findService(proc = "/proc") {
  const found = readdirSync(proc)
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        // pid (name) state ppid …: the name may hold spaces and brackets (proc_pid_stat(5)).
        const stat = readFileSync(`${proc}/${name}/stat`, "latin1");
        const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
        const [parent, user, system, start] = [1, 11, 12, 19].map((index) => Number(fields[index]));
        return parent === 1 ? [{ pid: Number(name), start, cpu: user + system }] : [];
      } catch {
        // It ended while we looked.
        return [];
      }
    });
  return found.sort((left, right) => left.start - right.start || left.pid - right.pid)[0];
}

/**
 * @param last what the previous check left: {pid, start, cpu, misses}, or undefined.
 * @param service what findService found now, or undefined.
 * @param hasAnswered any answer counts, "not ready" included: a restart does not help against a database that is away.
 * @returns what to leave for the next check, and the reason to end the process now, if there is one. A process that has
 *   never answered is still starting, and is never ended here.
 */
export function judge(last, service, hasAnswered) {
  if (!service) return { next: undefined, why: undefined };
  if (hasAnswered) return { next: { ...service, misses: 0 }, why: undefined };
  const isSame = last?.pid === service.pid && last.start === service.start;
  if (!isSame) return { next: undefined, why: undefined };
  const misses = last.misses + 1;
  const isFrozen = last.misses > 0 && last.cpu === service.cpu;
  const why =
    isFrozen && misses >= FROZEN_MISSES
      ? `no answer to ${misses} probes in a row, and no CPU time used between them`
      : misses >= DEAF_MISSES
        ? `no answer to ${misses} probes in a row`
        : undefined;
  return { next: { ...service, misses }, why };
}
