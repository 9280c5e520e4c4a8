/** The life of one replica, without its process: it starts, opens its ports, serves, drains and stops. */
import type { Server } from "node:http";
import { internalApp, publicApp, type AppParts } from "./app.ts";
import { compose, type Composition, type CompositionOptions } from "./compose.ts";
import type { Streams } from "./events/stream/streams.ts";
import { startCleanup } from "./platform/cleanup.ts";
import { pause, withDeadline } from "./platform/deadline.ts";
import type { Config } from "./platform/env/config.ts";
import { closeServer, listen, newServer } from "./platform/http.ts";
import type { Logger } from "./platform/logging.ts";
import type { Tracing } from "./platform/tracing/tracing.ts";

export interface Service {
  /** The public port; 0 until it is open. */
  readonly port: number;
  /** Resolves with the public port once that is open; rejects when it cannot be. */
  readonly opened: Promise<number>;
  readonly internalPort: number;
  readonly streams: Streams;
  readonly isReady: () => boolean;
  /**
   * Switch, drain, stop. The replica is not ready from now on, and says farewell to its streams, which come back to its
   * successors. It answers requests on for the switch-over time. Then it accepts no more, lets what is under way finish,
   * and closes what it holds. Calling it again gives the same promise.
   */
  stop(): Promise<void>;
}

export interface ServiceOptions extends CompositionOptions {
  /** Opens the public port at once, where nobody could mistake this replica for another: in development, and in tests. */
  readonly opensAtOnce?: boolean;
  /** Gets what the apps are made of: for tests that look at their routes. */
  readonly onParts?: (parts: AppParts) => void;
}

/**
 * The internal port is open and the replica is live when this resolves. PostgreSQL and Redis may still be away; it
 * becomes ready when they are there.
 *
 * The public port opens when the replica is ready for the first time, and then stays open. The engine gives addresses out
 * again: the edge may still know this container's address as that of a replica that died, and a version that never gets
 * ready must not be reached by it.
 */
export async function startService(
  config: Config,
  logger: Logger,
  options: ServiceOptions = {},
): Promise<Service> {
  const parts = compose(config, logger, options);
  options.onParts?.(parts.apps);
  const { readiness, streams } = parts;
  const tracing = await startTracing(config, parts, logger);
  const publicServer = newServer(publicApp({ ...parts.apps, tracing: tracing?.middleware }));
  const internalServer = newServer(internalApp(parts.apps));
  const internalPort = await listen(internalServer, config.internalPort, config.host);
  let port = 0;
  const open = async (): Promise<number> => {
    port = await listen(publicServer, config.port, config.host);
    logger.info({ port, internalPort, stack: config.stack, version: config.version }, "listening");
    return port;
  };
  if (options.opensAtOnce) await open();
  const stopParts = startParts(parts, logger);
  if (port === 0) logger.info({ internalPort, version: config.version }, "starting");

  const stopWaiting = new AbortController();
  const opened = port > 0 ? Promise.resolve(port) : readiness.becomesReady(stopWaiting.signal).then(open);
  // Whoever waits for it hears of a failure too; a service that nobody waits for must not end the process by it.
  opened.catch(() => undefined);

  async function stop(): Promise<void> {
    readiness.drain();
    stopWaiting.abort();
    const wasCut = await drain(publicServer, streams, config, logger);
    await Promise.all([stopParts(), tracing?.stop()]);
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
    isReady: () => readiness.isReady,
    stop: () => (stopping ??= stop()),
  };
}

/** Undefined where nobody collects traces. */
async function startTracing(
  { otlpEndpoint: endpoint, replica, version, stack }: Config,
  { stores: { pool }, apps: { metrics } }: Composition,
  logger: Logger,
): Promise<Tracing | undefined> {
  if (endpoint === undefined) return undefined;
  const { openTracing } = await import("./platform/tracing/tracing.ts");
  const routeOf = (path: string): string => metrics.templateOf(path);
  return openTracing({ endpoint, replica, version, stack, routeOf, pool, logger });
}

/** Starts everything that runs by itself. @returns what stops it again */
function startParts(parts: Composition, logger: Logger): () => Promise<void> {
  const { stores, reader, checks, registry, auth, providers, uptime, push, readiness } = parts;
  stores.redis?.open();
  stores.log.open();
  reader.start();
  checks.start();
  registry.start();
  uptime.start(() => (readiness.isReady ? { isWell: checks.status === "pass" } : undefined));
  auth.start();
  push?.start();
  const stopCleanups = parts.cleanups.map(({ what, store, everyMs }) =>
    startCleanup(what, store, everyMs, logger),
  );
  return async () => {
    checks.stop();
    for (const stopCleanup of stopCleanups) stopCleanup();
    providers.stop();
    uptime.stop();
    await push?.stop();
    await registry.stop();
    await auth.stop();
    stores.log.close();
    stores.redis?.close();
    await reader.stop();
    // A server that is away does not answer the good-bye either.
    await withDeadline("PostgreSQL", 500, stores.pool.end()).catch(() => undefined);
  };
}

/** Hands streams and requests over to the successors, and closes the public port. @returns whether any was cut */
async function drain(server: Server, streams: Streams, config: Config, logger: Logger): Promise<boolean> {
  const { switchMs, drainMs, marginMs } = config.lifecycle;
  logger.info({ switchMs, drainMs, streams: streams.size }, "draining: serving on for the switch-over");
  // At once: a stream opens anew, and new ones go to the successors already. Only requests on connections that were
  // open before the switch still come here.
  const farewell = streams.farewell(drainMs);
  await pause(switchMs);
  logger.info({ streams: streams.size }, "accepting no more");
  const closing = closeServer(server, Math.max(0, drainMs - switchMs) + marginMs / 2);
  await farewell;
  // Streams have taken their connections from the server, which can cut the others only.
  const cut = setTimeout(() => streams.close(), marginMs / 2);
  const wasCut = await closing;
  clearTimeout(cut);
  streams.close();
  return wasCut;
}
