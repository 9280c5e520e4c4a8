/** Ends the process when its event loop is blocked. */
import { Worker } from "node:worker_threads";

/**
 * Ends the process when its event loop has been blocked for `ms`. The engine restarts what exits, not what is unhealthy,
 * and a blocked loop cannot exit by itself. A worker thread watches it, because only another thread still runs then.
 *
 * @returns a function that stops the watchdog.
 */
export function startWatchdog(ms: number): () => void {
  const beats = new Int32Array(new SharedArrayBuffer(4));
  const periodMs = Math.max(20, Math.min(1000, Math.floor(ms / 10)));
  const worker = new Worker(new URL("./watchdog-worker.mjs", import.meta.url), {
    workerData: { beats, periodMs, misses: Math.ceil(ms / periodMs) },
    // It needs almost nothing, and the default heap of a thread would be a good part of the container's memory.
    resourceLimits: { maxOldGenerationSizeMb: 8, maxYoungGenerationSizeMb: 1, stackSizeMb: 1 },
    env: {},
    execArgv: [],
  });
  worker.unref();
  const timer = setInterval(() => Atomics.add(beats, 0, 1), periodMs);
  timer.unref();
  return () => {
    clearInterval(timer);
    void worker.terminate();
  };
}
