/**
 * `npm run dev`: the whole service with nothing but npm. PGlite stands for PostgreSQL, a file for the event log, and there
 * is no Redis. Everything above them is the code that is deployed.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { loadMigrations } from "../src/migrate/files.ts";
import { migrate } from "../src/migrate/run.ts";
import { reasonOf } from "../src/platform/deadline.ts";
import { createLogger } from "../src/platform/logging.ts";
import { withLock } from "../../tools/host/lock.mjs";
import { replicaEnvironment } from "./environment.ts";
import { firstUser, secretFile } from "./first-user.ts";
import { Supervisor, type Preparation } from "./supervisor.ts";

const SERVICE = join(import.meta.dirname, "..");
const FOLDER = process.env.OMNIAI_DEV_FOLDER || join(SERVICE, "../.state/dev");
const say = (line: string): void => console.error(`dev: ${line}`);

/** In this order, before each start. */
const PREPARATIONS: readonly Preparation[] = [
  async (postgres) => {
    const logger = createLogger({ level: "warn", replica: "migrate", build: "dev" });
    const applied = await migrate(postgres, loadMigrations(), logger);
    return applied.map((label) => `migration ${label} applied`);
  },
];
const MODE = process.env.OMNIAI_AUTH_MODE || "both";

const { promise: asked, resolve: ask } = Promise.withResolvers<void>();
let isRunning = false;
let isAsked = false;
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => {
    if (!isRunning) process.exit(0);
    isAsked = true;
    ask();
  });
}

mkdirSync(FOLDER, { recursive: true, mode: 0o700 });
try {
  await withLock(join(FOLDER, "lock"), run, {
    onWait: ({ pid }) =>
      say(`pid ${pid} already runs on ${FOLDER}; waiting for it to end (or set OMNIAI_DEV_FOLDER)`),
  });
} catch (error) {
  say(`could not start: ${reasonOf(error)}`);
  process.exitCode = 1;
}
// A library may still hold something open.
process.exit();

async function run(): Promise<void> {
  isRunning = true;
  say("starting PostgreSQL (PGlite) and the service");
  const sources = ["src", "migrations", "dev"].map((name) => join(SERVICE, name));
  const isOpen = MODE === "none";
  const environment = {
    ...replicaEnvironment(process.env),
    OMNIAI_AUTH_MODE: MODE,
    ...(isOpen ? {} : { OMNIAI_AUTH_SECRET_FILE: secretFile(FOLDER) }),
  };
  const supervisor = await Supervisor.start({
    folder: FOLDER,
    sources,
    preparations: isOpen ? PREPARATIONS : [...PREPARATIONS, firstUser(FOLDER)],
    environment,
    say,
  });
  if (!supervisor) {
    process.exitCode = isAsked ? 0 : 1;
    return;
  }
  say(`the data is in ${FOLDER}; a changed source restarts the service; Ctrl-C ends it`);
  await asked;
  await supervisor.stop();
}
