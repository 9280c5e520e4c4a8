import type { Response } from "express";
import { internalApp, publicApp, type AppParts } from "./app.ts";
import { Auth } from "./auth/auth.ts";
import { hasScope, principalOf } from "./auth/principal.ts";
import type { Config } from "./platform/env/config.ts";
import { describeStream } from "./diag/connections.ts";
import { Admission } from "./events/http/admission.ts";
import { Hub } from "./events/stream/hub.ts";
import type { EventsMetrics } from "./events/stream/metrics.ts";
import { RecentEvents } from "./events/log/recent.ts";
import { LogReader } from "./events/log/reader.ts";
import { Streams } from "./events/stream/streams.ts";
import { TurnedAway } from "./events/stream/rejected-streams.ts";
import { Checks } from "./health/checks.ts";
import { databaseCheck, eventsCheck, lagCheck, redisCheck } from "./health/dependencies.ts";
import { migrationsCheck } from "./migrate/check.ts";
import { loadMigrations } from "./migrate/files.ts";
import { routeTemplates } from "./openapi.ts";
import { startCleanup } from "./platform/cleanup.ts";
import { pause, withDeadline } from "./platform/deadline.ts";
import { closeServer, listen, newServer } from "./platform/http.ts";
import type { Logger } from "./platform/logging.ts";
import { Metrics } from "./platform/prometheus.ts";
import { RateLimit } from "./platform/rate-limit.ts";
import { ProviderMonitor } from "./providers/monitor.ts";
import { reportsPerAddress } from "./reports/router.ts";
import { PostgresReportStore } from "./reports/store.ts";
import { connectedStores, type Stores } from "./stores.ts";

export interface Service {
  /** The public port; 0 until it is open. */
  readonly port: number;
  /** Resolves with the public port once that is open; rejects when it cannot be. */
  readonly opened: Promise<number>;
  readonly internalPort: number;
  readonly streams: Streams;
  readonly isReady: () => boolean;
  /**
   * Switch, drain, stop: not ready at once, and takes leave of the streams, which come back to its successors; serves
   * requests on for the switch-over time; then accepts no more, lets what is under way finish, and closes what it holds.
   * Calling it again gives the same promise.
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
  /** Opens the public port at once, where nobody could mistake this replica for another: in development, and in tests. */
  readonly opensAtOnce?: boolean;
  /** Gets what the apps are made of: for tests that look at their routes. */
  readonly onParts?: (parts: AppParts) => void;
}

/** Most streams that a replica lists one by one: bounds what it puts into Redis while an operator looks. */
const listLimit = 5000;

/** Entries of the log read into memory at the start: bounded, because each may be as long as an event may be. */
const preloadLimit = 512;

/** How often it is looked whether this replica is ready for the first time, ms. */
const openCheckMs = 25;

/**
 * One replica without its process: the internal port is open and it is live when this resolves; PostgreSQL and Redis may
 * be away still, it becomes ready when they are there.
 *
 * The public port opens when it is ready for the first time, and then stays open. Addresses are given out again: the edge may
 * still know the one of this container as that of a replica that died, and a version that never gets ready must not be
 * reached by it.
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

  const perAddress = reportsPerAddress(config.reports.perMinute);
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
      perAddress: new RateLimit(
        { name: "reports", points: perAddress, windowSeconds: 60, batch: Math.ceil(perAddress / 50) },
        redis,
      ),
      trustProxyHops: config.events.trustProxyHops,
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
  let port = 0;
  const open = async (): Promise<number> => {
    port = await listen(publicServer, config.port, config.host);
    logger.info({ port, internalPort, stack: config.stack, version: config.version }, "listening");
    return port;
  };
  if (options.opensAtOnce) await open();

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
  if (port === 0) logger.info({ internalPort, version: config.version }, "starting");
  const stopWaiting = new AbortController();
  const opened = port > 0 ? Promise.resolve(port) : untilReady(isReady, stopWaiting.signal).then(open);
  // Whoever waits for it hears of a failure too; a service that nobody waits for must not end the process by it.
  opened.catch(() => undefined);

  async function stop(): Promise<void> {
    const { switchMs, drainMs, marginMs } = config.lifecycle;
    isDraining = true;
    stopWaiting.abort();
    logger.info({ switchMs, drainMs, streams: streams.size }, "draining: serving on for the switch-over");
    // At once: a stream opens anew, and new ones go to the successors already. Only requests on connections that were
    // open before the switch still come here.
    const farewell = streams.farewell(drainMs);
    await pause(switchMs);
    logger.info({ streams: streams.size }, "accepting no more");
    const closing = closeServer(publicServer, Math.max(0, drainMs - switchMs) + marginMs / 2);
    await farewell;
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
  return {
    get port() {
      return port;
    },
    opened,
    internalPort,
    streams,
    isReady,
    stop: () => (stopping ??= stop()),
  };
}

/** Never resolves when `signal` aborts before. */
function untilReady(isReady: () => boolean, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const look = setInterval(() => {
      if (!isReady()) return;
      clearInterval(look);
      resolve();
    }, openCheckMs);
    signal.addEventListener("abort", () => clearInterval(look));
  });
}
