/** The process of stalls.ts: writes as the databases do, to the end of a file and onto the disk, and takes the time. */
import { mkdtempSync, rmSync } from "node:fs";
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
const STALLS: Stall[] = [];
let isStopped = false;

async function look(): Promise<void> {
  while (!isStopped) {
    const from = Date.now();
    const begun = performance.now();
    await sleep(PAUSE_MS);
    await file.write(LINE);
    await file.datasync();
    const ms = performance.now() - begun;
    if (ms > PAUSE_MS + STALL_MS) STALLS.push({ from, to: from + ms });
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
