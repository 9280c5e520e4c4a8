/**
 * The process of one replica. Loading and compiling takes a core for a while, and replicas that start together would take
 * all of them from those that serve: so each waits for its turn first, before it loads anything else.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { startDelayMs } from "./platform/env/start-delay.ts";

await sleep(startDelayMs(process.env));
const { runProcess } = await import("./process.ts");
await runProcess();
