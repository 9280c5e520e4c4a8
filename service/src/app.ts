/** The two apps, without their ports: which routes they have, and what every request passes first. */
import cors from "cors";
import type { Auth } from "./auth/auth.ts";
import { clientAddress } from "./platform/address.ts";
import express, { type Express, type RequestHandler } from "express";
import { diagRouter, type DiagSource } from "./diag/router.ts";
import type { EventsRouterOptions } from "./events/http/options.ts";
import { eventsRouter } from "./events/http/router.ts";
import { healthRouter, type HealthSource } from "./health/router.ts";
import { openApiRouter } from "./openapi.ts";
import { limitBodies, type BodyLimitOptions } from "./platform/body-limit.ts";
import { inOne } from "./platform/in-one.ts";
import { requestLog, type Logger } from "./platform/logging.ts";
import { notFound, problemHandler } from "./platform/problems.ts";
import type { Metrics } from "./platform/prometheus.ts";
import { rememberRequest } from "./platform/request-context.ts";
import { requestId } from "./platform/request-id.ts";
import { securityHeaders } from "./platform/security-headers.ts";
import { trace } from "./platform/trace.ts";
import { refuseUnreadable } from "./platform/unreadable.ts";
import { pushHookRouter, pushRouter, type PushRouterOptions } from "./push/http/router.ts";
import { reportsRouter, type ReportsRouterOptions } from "./reports/router.ts";

export interface AppParts {
  readonly health: HealthSource;
  readonly diag: DiagSource;
  readonly reports: ReportsRouterOptions;
  readonly events: EventsRouterOptions;
  readonly push: PushRouterOptions;
  readonly bodies: BodyLimitOptions;
  readonly auth: Auth;
  readonly corsOrigins: readonly string[];
  readonly metrics: Metrics;
  /** Begins a span for each request, where traces are wanted. */
  readonly tracing?: RequestHandler;
  /** Serves the page, where no edge does (`npm run dev`). */
  readonly page?: RequestHandler;
  /** Refuses requests that are not for this service, where no edge does. */
  readonly guard?: RequestHandler;
  readonly logger: Logger;
}

function newApp(): Express {
  const app = express();
  app.disable("x-powered-by");
  app.set("etag", false);
  app.set("query parser", "simple");
  return app;
}

/** What a page of another origin may send, and what it may read of an answer. */
export const corsHeaders = {
  allowed: [
    "authorization",
    "content-type",
    "idempotency-key",
    "last-event-id",
    "x-csrf-token",
    "x-request-id",
  ],
  exposed: ["ratelimit", "ratelimit-policy", "retry-after", "x-request-id"],
};

/**
 * Allows exact origins only. The headers are on every answer, errors and streams included, because without them a page
 * takes an error for a lost connection (Fetch, CORS check). `Vary: Origin` is always there, so that no cache serves one
 * origin's answer to another.
 */
function exactCors(origins: readonly string[]): RequestHandler {
  const answer = cors({
    origin: [...origins],
    credentials: true,
    methods: ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
    allowedHeaders: corsHeaders.allowed,
    exposedHeaders: corsHeaders.exposed,
    maxAge: 7200,
  });
  return (request, response, next) => {
    if (request.headers.origin !== undefined || request.method === "OPTIONS")
      return answer(request, response, next);
    // No page asks. Only caches have to know that the answer to one may differ.
    response.setHeader("Vary", "Origin");
    next();
  };
}

/** The successors take over while this replica serves on, so keep-alive connections have to move to them. */
function closeWhileDraining(isDraining: () => boolean): RequestHandler {
  return (_request, response, next) => {
    if (isDraining()) response.setHeader("Connection", "close");
    next();
  };
}

/** As Express matches it: in any case, with or without a slash at the end. */
const streamPath = /^\/events\/?$/i;

/** Streams have limits of their own, because a native EventSource that gets 429 never comes back. */
function limitRequests({ auth, events: { config } }: AppParts): RequestHandler {
  const take: RequestHandler = async (request, response, next) => {
    await auth.requests.take(clientAddress(request, config.trustProxyHops), response);
    // The client left meanwhile. What comes next would wait for a "close" that has been, and hold what it takes.
    if (!response.destroyed) next();
  };
  return (request, response, next) =>
    request.method === "GET" && streamPath.test(request.path) ? next() : take(request, response, next);
}

/** What the public port serves. */
export function publicApp(parts: AppParts): Express {
  const app = newApp();
  app.use(
    inOne(
      requestId,
      trace,
      ...(parts.tracing ? [parts.tracing] : []),
      rememberRequest,
      requestLog(parts.logger),
      parts.metrics.middleware,
      securityHeaders,
      closeWhileDraining(parts.health.isDraining),
      exactCors(parts.corsOrigins),
      refuseUnreadable,
    ),
  );
  if (parts.guard) app.use(parts.guard);
  app.use("/api", limitRequests(parts), limitBodies(parts.bodies));
  // First, because after a restart thousands of streams ask for it at once.
  app.use("/api/events", eventsRouter(parts.events));
  app.use(healthRouter(parts.health, false));
  app.use("/api/auth", parts.auth.router());
  app.use("/api/diag/client-reports", reportsRouter(parts.reports));
  app.use("/api/diag", parts.auth.identifyOptionally, diagRouter(parts.diag));
  app.use("/api/push", pushRouter(parts.push));
  app.use(openApiRouter("public", parts.health.version, parts.auth.config.mode));
  if (parts.page) app.use(parts.page);
  app.use(notFound, parts.auth.auditRefusals, problemHandler(parts.logger));
  return app;
}

/** What the internal port serves, to the engine and to monitoring. */
export function internalApp(parts: AppParts): Express {
  const app = newApp();
  app.use(inOne(requestId, trace, requestLog(parts.logger), securityHeaders, refuseUnreadable));
  if (parts.guard) app.use(parts.guard);
  app.use(healthRouter(parts.health, true));
  app.use(parts.metrics.router());
  app.use("/push", pushHookRouter(parts.push));
  app.use(openApiRouter("internal", parts.health.version, parts.auth.config.mode));
  app.use(notFound, problemHandler(parts.logger));
  return app;
}
