/**
 * The process of one replica. Loading and compiling takes a core for a while, and replicas that start together would take
 * all of them from those that serve: so each waits for its turn first, before it loads anything else.
 */
import { setTimeout as sleep } from "node:timers/promises";

// What is no number is not waited for here; the configuration refuses it with its name.
await sleep(Number(process.env["OMNIAI_START_DELAY_SECONDS"] ?? 0) * 1000);
const { runProcess } = await import("./process.ts");
await runProcess();
