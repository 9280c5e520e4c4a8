/** `node replica.ts FOLDER`: the service of `npm run dev`, a child of main.ts that ends with it. */
import { runProcess } from "../src/process.ts";
import type { Ready } from "./ready.ts";
import { knownHosts } from "./known-hosts.ts";
import { servePage } from "./page.ts";
import { devStores } from "./stores.ts";

/** `node replica.ts FOLDER`: the service of `npm run dev`, a child of main.ts and never longer there than it. */
const [FOLDER] = process.argv.slice(2);
if (!FOLDER || !process.send) throw new Error("This is started by npm run dev.");
process.once("disconnect", () => process.kill(process.pid, "SIGTERM"));
// There is no edge and no other replica, so a person may see what a service answers that is not ready.
const { port, internalPort } = await runProcess((config, logger) => devStores(config, logger, FOLDER), {
  opensAtOnce: true,
  page: servePage({ authMode: process.env.OMNIAI_AUTH_MODE ?? "none" }),
  guard: knownHosts,
});
process.send({ port, internalPort } satisfies Ready);
