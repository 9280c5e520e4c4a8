import { internalApp, publicApp, type AppParts } from "./app.ts";
import type { Config } from "./config.ts";
import { Admission } from "./events/admission.ts";
import { Hub } from "./events/hub.ts";
import { noMetrics, type EventsMetrics } from "./events/metrics.ts";
import { RecentEvents } from "./events/recent.ts";
import { LogReader } from "./events/reader.ts";
import { RedisEventLog } from "./events/redis-log.ts";
import { Streams } from "./events/streams.ts";
import { Checks } from "./health/checks.ts";
import { databaseCheck, eventsCheck, redisCheck } from "./health/dependencies.ts";
import { pause, withDeadline } from "./platform/deadline.ts";
import { closeServer, listen, newServer } from "./platform/http.ts";
import type { Logger } from "./platform/logging.ts";
import { createPool } from "./platform/postgres.ts";
import { RedisLink } from "./platform/redis.ts";

export interface Service {
  readonly port: number;
  readonly internalPort: number;
  readonly streams: Streams;
  readonly isReady: () => boolean;
  /**
   * Switch, drain, stop: not ready at once; serves on for the switch-over time; then accepts no more, takes leave of the
   * streams, lets what is under way finish, and closes what it holds. Calling it again gives the same promise.
   */
  stop(): Promise<void>;
}

/** Entries of the log read into memory at the start: bounded, because each may be as long as an event may be. */
const preloadLimit = 512;

/**
 * One replica without its process: both ports are open and it is live when this resolves; PostgreSQL and Redis may be
 * away still, it becomes ready when they are there.
 */
export async function startService(
  config: Config,
  logger: Logger,
  metrics: EventsMetrics = noMetrics,
): Promise<Service> {
  const pool = createPool(config.postgres, `omniai-${config.replica}`, logger);
  const redis = new RedisLink(config.redis, `omniai-${config.replica}`, logger, {
    idleMs: 3000,
    isPinging: true,
  });
  const log = new RedisEventLog(config.events, config.redis, redis, logger);
  const hub = new Hub(
    new RecentEvents(config.events.replayCacheEvents, config.events.replayCacheBytes),
    metrics,
  );
  const { readBlockMs: blockMs, coalesceMs, replayCacheEvents } = config.events;
  const preload = Math.min(preloadLimit, replayCacheEvents);
  const reader = new LogReader(log, hub, { blockMs, coalesceMs, preload }, logger);
  const streams = new Streams(config.events.heartbeatMs, (stream) => hub.heartbeat(stream), metrics);
  const admission = new Admission({
    perProcess: config.events.maxStreams,
    perAddress: config.events.maxStreamsPerAddress,
    rate: config.events.connectRate,
    burst: config.events.connectBurst,
  });
  const { deadlineMs } = config.health;
  const checks = new Checks(
    [databaseCheck(pool, deadlineMs), redisCheck(redis, deadlineMs), eventsCheck(reader, blockMs)],
    config.health,
    logger,
  );

  let isDraining = false;
  let hasStarted = false;
  const isReady = (): boolean => {
    const isUp = checks.status !== "fail";
    hasStarted ||= isUp;
    return isUp && !isDraining;
  };
  const parts: AppParts = {
    health: {
      checks,
      version: config.version,
      build: config.build,
      replica: config.replica,
      isDraining: () => isDraining,
      hasStarted: () => isReady() || hasStarted,
    },
    diag: { config, pool, redis, reader, streams, checks, isDraining: () => isDraining },
    events: {
      log,
      hub,
      streams,
      admission,
      metrics,
      config: config.events,
      bodyLimitBytes: config.bodyLimitBytes,
      logger,
    },
    corsOrigins: config.corsOrigins,
    logger,
  };
  const publicServer = newServer(publicApp(parts));
  const internalServer = newServer(internalApp(parts));
  const internalPort = await listen(internalServer, config.internalPort, config.host);
  const port = await listen(publicServer, config.port, config.host);

  redis.open();
  log.open();
  reader.start();
  checks.start();
  logger.info({ port, internalPort, stack: config.stack, version: config.version }, "listening");

  async function stop(): Promise<void> {
    const { switchMs, drainMs, marginMs } = config.lifecycle;
    isDraining = true;
    streams.startDraining();
    logger.info({ switchMs, drainMs, streams: streams.size }, "draining: serving on for the switch-over");
    await pause(switchMs);
    logger.info({ streams: streams.size }, "accepting no more");
    const closing = closeServer(publicServer, drainMs + marginMs / 2);
    await streams.farewell(drainMs);
    // Streams have taken their connections from the server, which can cut the others only.
    const cut = setTimeout(() => streams.close(), marginMs / 2);
    const wasCut = await closing;
    clearTimeout(cut);
    streams.close();
    checks.stop();
    log.close();
    redis.close();
    await reader.stop();
    // A server that is away does not answer the good-bye either.
    await withDeadline("PostgreSQL", 500, pool.end()).catch(() => undefined);
    await closeServer(internalServer, 200);
    logger.info({ wasCut }, "stopped");
  }
  let stopping: Promise<void> | undefined;
  return { port, internalPort, streams, isReady, stop: () => (stopping ??= stop()) };
}
