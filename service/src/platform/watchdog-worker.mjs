// The watchdog's thread (see watchdog.ts). Plain JavaScript: a thread that strips types costs several MiB more.
import { write } from "node:fs";
import { workerData } from "node:worker_threads";

const { beats, periodMs, misses } = workerData;
const never = new Int32Array(new SharedArrayBuffer(4));
let last = Atomics.load(beats, 0);
let missed = 0;
// The thread counts its own periods, not the clock: a process that was paused as a whole (docker pause, a sleeping
// machine) misses none.
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
  // By another thread, and not for long: whoever should read the log may have stalled too.
  write(1, `${JSON.stringify(line)}\n`, () => undefined);
  Atomics.wait(never, 0, 0, 250);
  process.kill(process.pid, "SIGKILL");
}
