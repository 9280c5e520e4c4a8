/** The pool of PostgreSQL connections as a replica has it. */
import type pg from "pg";
import { loadConfig } from "../../src/platform/env/config.ts";
import { createLogger } from "../../src/platform/logging.ts";
import { createPool } from "../../src/platform/postgres.ts";
import { testEnvironment } from "./instance.ts";

export async function poolOf(max: number): Promise<pg.Pool> {
  const { postgres: config } = loadConfig(await testEnvironment());
  const logger = createLogger({ level: "silent", replica: "test", build: "test" });
  return createPool({ ...config, poolMax: max }, "omniai-test", logger);
}
