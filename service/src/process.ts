/** One replica as this process. */
import { ConfigError, loadConfig, type Config } from "./platform/env/config.ts";
import { reasonOf } from "./platform/deadline.ts";
import { createLogger, type Logger } from "./platform/logging.ts";
import { startWatchdog } from "./platform/watchdog.ts";
import { startService, type Service, type ServiceOptions } from "./service.ts";
import type { Stores } from "./stores.ts";

/** EX_CONFIG of sysexits.h: a restart does not help before somebody changes the environment. */
export const EXIT_CONFIG = 78;

/**
 * Runs one replica, configured by the environment. SIGTERM or SIGINT ends the process with 0, an uncaught error with 1. It
 * does not return when the replica cannot start.
 */
export async function runProcess(
  openStores?: (config: Config, logger: Logger) => Stores | Promise<Stores>,
  options: Pick<ServiceOptions, "opensAtOnce" | "page" | "guard"> = {},
): Promise<Service> {
  const config = configOrExit();
  const logger = createLogger({ level: config.logLevel, replica: config.replica, build: config.build });
  const die = (error: unknown, message: string): void => {
    logger.fatal({ err: error }, message);
    process.exit(1);
  };
  process.on("uncaughtException", (error) => die(error, "uncaught exception"));
  process.on("unhandledRejection", (error) => die(error, "unhandled rejection"));
  if (config.lifecycle.wedgedMs > 0) startWatchdog(config.lifecycle.wedgedMs);

  try {
    const stores = await openStores?.(config, logger);
    const service = await startService(config, logger, { ...options, stores });
    service.opened.catch((error: unknown) => {
      logger.fatal({ reason: reasonOf(error) }, "could not start");
      process.exit(1);
    });
    let isStopping = false;
    const onSignal = (signal: NodeJS.Signals): void => {
      if (isStopping) return logger.info({ signal }, "already stopping");
      isStopping = true;
      const { switchMs, drainMs, marginMs } = config.lifecycle;
      setTimeout(() => die(undefined, "not stopped in time"), Math.max(switchMs, drainMs) + marginMs).unref();
      logger.info({ signal }, "stopping");
      service.stop().then(
        () => process.exit(0),
        (error: unknown) => die(error, "could not stop in order"),
      );
    };
    process.on("SIGTERM", onSignal);
    process.on("SIGINT", onSignal);
    return service;
  } catch (error) {
    logger.fatal({ reason: reasonOf(error) }, "could not start");
    process.exit(1);
  }
}

function configOrExit(): Config {
  try {
    return loadConfig(process.env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    createLogger({ level: "fatal", replica: "", build: "" }).fatal(
      { problems: error.problems },
      "wrong configuration",
    );
    process.exit(EXIT_CONFIG);
  }
}
