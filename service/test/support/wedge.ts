/** A process whose event loop gets blocked while the watchdog watches. */
import { writeSync } from "node:fs";
import { startWatchdog } from "../../src/platform/watchdog.ts";

/** A process whose event loop blocks for ever after a normal start; with `full`, nobody reads its output either. */
// A busy machine may keep an idle event loop waiting for a good part of a second.
startWatchdog(2000);
setInterval(() => undefined, 1000);
setTimeout(() => {
  console.log("blocking");
  // The capacity of a pipe (pipe(7)), less the line before.
  if (process.argv.includes("full")) writeSync(1, "x".repeat(65_536 - "blocking\n".length));
  for (;;);
}, 1500);
