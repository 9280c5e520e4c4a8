/** `node service/src/migrate.ts`: brings the database to what this build needs. Exits 0 when it is there, else 1. */
import { ConfigError, loadConfig } from "./platform/env/config.ts";
import { loadMigrations } from "./migrate/files.ts";
import { migrate } from "./migrate/run.ts";
import { reasonOf } from "./platform/deadline.ts";
import { createLogger } from "./platform/logging.ts";

/** `node service/src/migrate.ts`: brings the database to what this build needs. Exits 0 when it is there, else 1. */
const logger = createLogger({ level: "info", replica: "migrate", build: process.env.OMNIAI_BUILD ?? "dev" });
try {
  const config = loadConfig(process.env);
  const known = loadMigrations();
  const applied = await migrate(config.postgres, known, logger);
  logger.info({ applied, known: known.length }, "the database is up to date");
} catch (error) {
  if (error instanceof ConfigError) logger.fatal({ problems: error.problems }, "wrong configuration");
  else logger.fatal({ reason: reasonOf(error) }, "could not migrate");
  process.exitCode = 1;
}
