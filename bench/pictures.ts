/**
 * `npm run bench:pictures [-- --minutes N]`: the pictures of the dashboards in docs/dashboards, from a stack of its own that is
 * watched and under load while its replicas are replaced. Needs Go and Chromium.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { exitIfKept } from "../tools/host/npm-flags.ts";
import { prepare } from "../tools/test/prepare.ts";
import { createWatchedStack } from "./monitoring/stack.ts";
import { takePictures } from "./monitoring/pictures.ts";
import { buildTraffic, startTraffic } from "./resilience/traffic.ts";

const { values } = parseArgs({ options: { minutes: { type: "string", default: "20" } } });
exitIfKept("bench:pictures", [{ name: "minutes", value: "number" }]);
const MINUTES = Number(values.minutes);
const DOCS = join(import.meta.dirname, "../docs/dashboards");
const FOLDER = mkdtempSync(join(tmpdir(), "omniai-pictures-"));

Object.assign(process.env, await prepare(new Set(["stack", "browser"]), true));
const watched = await createWatchedStack("demo", { backups: "always" });
try {
  const { stack } = watched;
  const size = { rate: 40, streams: 60, events: 5 };
  const traffic = await startTraffic(buildTraffic(FOLDER), stack.https, "pictures", size);
  const third = (MINUTES * 60_000) / 3;
  await sleep(third);
  await stack.run("restart");
  await sleep(third);
  await stack.run("backup");
  await sleep(third);
  mkdirSync(DOCS, { recursive: true });
  await takePictures(stack, DOCS, MINUTES);
  await traffic.stop();
} finally {
  await watched.remove();
  rmSync(FOLDER, { recursive: true, force: true });
}
