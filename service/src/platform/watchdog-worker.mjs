/** The watchdog's thread (see watchdog.ts). It is plain JavaScript, because a thread that strips types costs several MiB more. */
import { write } from "node:fs";
import { workerData } from "node:worker_threads";

const { beats, periodMs, misses } = workerData;
const never = new Int32Array(new SharedArrayBuffer(4));
let last = Atomics.load(beats, 0);
let missed = 0;
// The thread counts its own periods instead of asking the clock, so a process that was paused as a whole (docker pause, a
// sleeping machine) misses none.
for (;;) {
  Atomics.wait(never, 0, 0, periodMs);
  const now = Atomics.load(beats, 0);
  missed = now === last ? missed + 1 : 0;
  last = now;
  if (missed < misses) continue;
  const line = {
    level: "fatal",
    time: new Date().toISOString(),
    ms: missed * periodMs,
    msg: "event loop blocked, ending the process",
  };
  // Another thread writes, and this one does not wait long: the reader of the log may hang too.
  write(1, `${JSON.stringify(line)}\n`, () => undefined);
  Atomics.wait(never, 0, 0, 250);
  process.kill(process.pid, "SIGKILL");
}
