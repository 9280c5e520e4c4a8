import type { Response } from "express";
import { internalApp, publicApp, type AppParts } from "./app.ts";
import { Auth } from "./auth/auth.ts";
import { hasScope, principalOf } from "./auth/principal.ts";
import type { Config } from "./config.ts";
import { describeStream } from "./diag/connections.ts";
import { Admission } from "./events/admission.ts";
import { Hub } from "./events/hub.ts";
import type { EventsMetrics } from "./events/metrics.ts";
import { RecentEvents } from "./events/recent.ts";
import { LogReader } from "./events/reader.ts";
import { Streams } from "./events/streams.ts";
import { TurnedAway } from "./events/turned-away.ts";
import { Checks } from "./health/checks.ts";
import { databaseCheck, eventsCheck, lagCheck, redisCheck } from "./health/dependencies.ts";
import { migrationsCheck } from "./migrate/check.ts";
import { loadMigrations } from "./migrate/files.ts";
import { routeTemplates } from "./openapi/document.ts";
import { startCleanup } from "./platform/cleanup.ts";
import { pause, withDeadline } from "./platform/deadline.ts";
import { closeServer, listen, newServer } from "./platform/http.ts";
import type { Logger } from "./platform/logging.ts";
import { Metrics } from "./platform/prometheus.ts";
import { ProviderMonitor } from "./providers/monitor.ts";
import { PostgresReportStore } from "./reports/store.ts";
import { connectedStores, type Stores } from "./stores.ts";

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

export interface ServiceOptions {
  /** Where things are kept; PostgreSQL and Redis by the configuration when left out. */
  readonly stores?: Stores;
  /** Who sees all of the diagnostics; left out, those with the scope diag:read. */
  readonly maySeeAll?: (response: Response) => boolean;
  /** Counts instead of /metrics what the events tell: for tests. */
  readonly eventsMetrics?: EventsMetrics;
  /** Gets what the apps are made of: for tests that look at their routes. */
  readonly onParts?: (parts: AppParts) => void;
}

/** Most streams that a replica lists one by one: bounds what it puts into Redis while an operator looks. */
const listLimit = 5000;

/** Entries of the log read into memory at the start: bounded, because each may be as long as an event may be. */
const preloadLimit = 512;

/**
 * One replica without its process: both ports are open and it is live when this resolves; PostgreSQL and Redis may be
 * away still, it becomes ready when they are there.
 */
export async function startService(
  config: Config,
  logger: Logger,
  options: ServiceOptions = {},
): Promise<Service> {
  const { version, build, replica } = config;
  const metrics = new Metrics(routeTemplates, { version, build, replica });
  const counts = options.eventsMetrics ?? metrics.streams;
  const stores = options.stores ?? connectedStores(config, logger);
  const { pool, redis, log } = stores;
  const hub = new Hub(
    new RecentEvents(config.events.replayCacheEvents, config.events.replayCacheBytes),
    counts,
  );
  const { readBlockMs: blockMs, coalesceMs, replayCacheEvents } = config.events;
  const preload = Math.min(preloadLimit, replayCacheEvents);
  const reader = new LogReader(log, hub, { blockMs, coalesceMs, preload }, logger);
  const streams = new Streams(config.events.heartbeatMs, (stream) => hub.heartbeat(stream), counts);
  const admission = new Admission({
    perProcess: config.events.maxStreams,
    perAddress: config.events.maxStreamsPerAddress,
    perUser: config.auth.maxStreamsPerUser,
    rate: config.events.connectRate,
    burst: config.events.connectBurst,
  });
  const auth = new Auth(config, pool, stores.auth, logger);
  const { deadlineMs } = config.health;
  const migrations = loadMigrations();
  const checks = new Checks(
    [
      databaseCheck(pool, deadlineMs),
      migrationsCheck(pool, migrations, deadlineMs),
      ...(redis ? [redisCheck(redis, deadlineMs)] : []),
      eventsCheck(reader, blockMs),
      lagCheck(reader, hub, log, config.health),
    ],
    config.health,
    logger,
  );

  const reports = new PostgresReportStore(pool, config.replica, config.reports);

  const providers = new ProviderMonitor(config.providers);
  const directory = stores.directory({
    replica,
    max: config.events.maxStreams,
    size: () => streams.size,
    list: () =>
      [...streams].slice(0, listLimit).map((stream) => describeStream(stream, replica, hub.position)),
  });

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
    diag: {
      config,
      pool,
      redis,
      reader,
      streams,
      checks,
      isDraining: () => isDraining,
      migrations,
      reports,
      providers,
      directory,
      maySeeAll: options.maySeeAll ?? ((response) => hasScope(principalOf(response), "diag:read")),
    },
    reports: {
      store: reports,
      perMinute: config.reports.perMinute,
      bodyLimitBytes: config.bodyLimitBytes,
      logger,
    },
    events: {
      log,
      hub,
      streams,
      admission,
      turnedAway: new TurnedAway(Math.max(100, Math.ceil(config.events.maxStreams / 4))),
      metrics: counts,
      config: config.events,
      auth,
      bodyLimitBytes: config.bodyLimitBytes,
      logger,
    },
    auth,
    corsOrigins: config.corsOrigins,
    metrics,
    logger,
  };
  metrics.watch({ pool, redis, isReady, streams, reader, checks });
  options.onParts?.(parts);
  const publicServer = newServer(publicApp(parts));
  const internalServer = newServer(internalApp(parts));
  const internalPort = await listen(internalServer, config.internalPort, config.host);
  const port = await listen(publicServer, config.port, config.host);

  redis?.open();
  log.open();
  reader.start();
  checks.start();
  directory.start();
  auth.start();
  const { cleanupMs } = config.reports;
  const stopCleanups = [
    startCleanup("client reports", reports, cleanupMs, logger),
    ...auth.cleanups.map((each) => startCleanup(each.what, each, config.auth.audit.cleanupMs, logger)),
  ];
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
    for (const stopCleanup of stopCleanups) stopCleanup();
    providers.stop();
    await directory.stop();
    await auth.stop();
    log.close();
    redis?.close();
    await reader.stop();
    // A server that is away does not answer the good-bye either.
    await withDeadline("PostgreSQL", 500, pool.end()).catch(() => undefined);
    await closeServer(internalServer, 200);
    logger.info({ wasCut }, "stopped");
  }
  let stopping: Promise<void> | undefined;
  return { port, internalPort, streams, isReady, stop: () => (stopping ??= stop()) };
}
