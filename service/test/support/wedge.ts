import { startWatchdog } from "../../src/platform/watchdog.ts";

/** A process whose event loop blocks for ever after a while of normal life. */
startWatchdog(600);
setInterval(() => undefined, 1000);
setTimeout(() => {
  console.log("blocking");
  for (;;);
}, 1500);
