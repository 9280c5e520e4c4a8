/** The process of stalls.ts: writes as the databases do, to the end of a file and onto the disk, and takes the time. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Stall } from "./stalls.ts";

const PAUSE_MS = 100;
/**
 * From here on it is a stall, in milliseconds. The service waits 1.2 s for PostgreSQL and 1.8 s for Redis, and what they write may have
 * to wait for a write that is under way and then for its own.
 */
const STALL_MS = 500;
/** Each write makes the file longer, so that the filesystem's journal has to be written too, as for a log. */
const LINE = "0123456789abcdef\n";

/** On a disk, where /tmp may be memory. */
const FOLDER = mkdtempSync("/var/tmp/omniai-stalls-");
const file = await open(join(FOLDER, "log"), "a");
// Written all the same, and gone with this process, whatever ends it.
rmSync(FOLDER, { recursive: true });
const STALLS: (Stall & { to: number })[] = [];
let isStopped = false;

/** Over how long it is looked how many waited for a processor, in ms, and which part of it is too much. */
const WINDOW_MS = 1000;
const FULL = 0.9;
let looks: { at: number; waited: number }[] = [];

/** Adds the last second where somebody who wanted to run waited nearly all the time (https://docs.kernel.org/accounting/psi.html). */
function lookAtProcessors(): void {
  const waited = waitedMs();
  if (waited === undefined) return;
  const at = Date.now();
  looks = [...looks.filter((one) => one.at >= at - 2 * WINDOW_MS), { at, waited }];
  const before = looks.findLast((one) => one.at <= at - WINDOW_MS);
  if (before === undefined || waited - before.waited < FULL * (at - before.at)) return;
  const last = STALLS.findLast(({ what }) => what === "had no processor left");
  if (last !== undefined && last.to >= before.at) last.to = at;
  else STALLS.push({ from: before.at, to: at, what: "had no processor left" });
}

/** How long in all somebody has waited for a processor, in ms; undefined where the kernel does not count it. */
function waitedMs(): number | undefined {
  try {
    const [, total] = /^some .*total=(\d+)$/m.exec(readFileSync("/proc/pressure/cpu", "utf8")) ?? [];
    return total === undefined ? undefined : Number(total) / 1000;
  } catch {
    return undefined;
  }
}

async function look(): Promise<void> {
  while (!isStopped) {
    const from = Date.now();
    const begun = performance.now();
    await sleep(PAUSE_MS);
    await file.write(LINE);
    await file.datasync();
    const ms = performance.now() - begun;
    if (ms > PAUSE_MS + STALL_MS) STALLS.push({ from, to: from + ms, what: "stood still" });
    lookAtProcessors();
  }
  await file.close();
}

const looking = look();
process.once("message", () => {
  isStopped = true;
  void looking.then(() => process.send?.(STALLS, () => process.disconnect()));
});
// The test is over or was killed: nobody asks any more.
process.once("disconnect", () => {
  isStopped = true;
});
process.send?.("looking");
