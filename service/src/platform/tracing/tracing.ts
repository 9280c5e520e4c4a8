/**
 * Traces of requests and of what they ask of PostgreSQL and Redis, sent to a collector by OpenTelemetry's protocol (OTLP
 * over HTTP, as JSON). Loaded only where one is configured: the library takes memory that a replica needs otherwise.
 */
import {
  context,
  diag,
  DiagLogLevel,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  TraceFlags,
  type Context,
  type Span,
  type Tracer,
} from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { resourceFromAttributes } from "@opentelemetry/resources";
import {
  AlwaysOnSampler,
  BatchSpanProcessor,
  ParentBasedSampler,
  BasicTracerProvider,
} from "@opentelemetry/sdk-trace-base";
import type { Request, RequestHandler } from "express";
import type pg from "pg";
import { withDeadline } from "../deadline.ts";
import { isProbe, type Logger } from "../logging.ts";
import { parentOf } from "../trace.ts";
import { watchPool } from "./postgres.ts";
import { watchRedis } from "./redis.ts";

export interface TracingOptions {
  /** Where the collector listens, without the path: http://collector:4318. */
  readonly endpoint: string;
  readonly replica: string;
  readonly version: string;
  readonly stack: string;
  /** The path as openapi.json has it, or "unmatched". */
  readonly routeOf: (path: string) => string;
  readonly pool: pg.Pool;
  readonly logger: Logger;
}

export interface Tracing {
  /** Begins a span for each request. After the request's ids are known, before anything else is asked. */
  readonly middleware: RequestHandler;
  /** Sends what is left, for a second at most. */
  stop(): Promise<void>;
}

/** What waits to be sent; beyond it spans are let go, so that a collector that is away costs no memory. */
const QUEUE = 1024;
const SEND_EVERY_MS = 2000;
const SEND_WITHIN_MS = 5000;

/** Asked by machines again and again; an event stream is no request that ends. */
const isQuiet = ({ method, path }: Request): boolean =>
  isProbe(path) || (method === "GET" && /^\/api\/events\/?$/i.test(path));

/** The trace that the client began, if it says so. */
function contextOf(request: Request): Context {
  const parent = parentOf(request);
  if (parent === undefined) return ROOT_CONTEXT;
  const traceFlags = parent.isSampled ? TraceFlags.SAMPLED : TraceFlags.NONE;
  const { traceId, spanId } = parent;
  return trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags, isRemote: true });
}

function requestSpans(tracer: Tracer, routeOf: (path: string) => string): RequestHandler {
  return (request, response, next) => {
    if (isQuiet(request)) return next();
    const route = routeOf(request.path);
    const parent = contextOf(request);
    const span: Span = tracer.startSpan(
      `${request.method} ${route}`,
      {
        kind: SpanKind.SERVER,
        attributes: {
          "http.request.method": request.method,
          "http.route": route,
          "url.scheme": request.protocol,
          "omniai.request_id": String(response.locals.requestId),
        },
      },
      parent,
    );
    // The log lines of the request and its spans are found by one id.
    response.locals.traceId = span.spanContext().traceId;
    response.on("close", () => {
      if (response.writableFinished) span.setAttribute("http.response.status_code", response.statusCode);
      else span.setAttribute("error.type", "aborted");
      if (response.statusCode >= 500) span.setStatus({ code: SpanStatusCode.ERROR });
      span.end();
    });
    context.with(trace.setSpan(parent, span), () => next());
  };
}

/** Nothing is sent before the first request. One process has one. */
export function openTracing(options: TracingOptions): Tracing {
  const { endpoint, replica, version, stack, routeOf, pool, logger } = options;
  // The exporter says why it cannot send; it is tried again with the next spans.
  const say = (message: string): void =>
    logger.warn({ reason: message.slice(0, 500) }, "traces cannot be sent");
  const quiet = (): void => undefined;
  diag.setLogger(
    { error: say, warn: say, info: quiet, debug: quiet, verbose: quiet },
    { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true },
  );
  const contexts = new AsyncLocalStorageContextManager().enable();
  context.setGlobalContextManager(contexts);
  const provider = new BasicTracerProvider({
    resource: resourceFromAttributes({
      "service.name": "omniai",
      "service.version": version,
      "service.instance.id": replica,
      "deployment.environment.name": stack,
    }),
    sampler: new ParentBasedSampler({ root: new AlwaysOnSampler() }),
    spanProcessors: [
      new BatchSpanProcessor(
        new OTLPTraceExporter({
          url: `${endpoint.replace(/\/$/, "")}/v1/traces`,
          timeoutMillis: SEND_WITHIN_MS,
        }),
        {
          maxQueueSize: QUEUE,
          scheduledDelayMillis: SEND_EVERY_MS,
          exportTimeoutMillis: SEND_WITHIN_MS,
        },
      ),
    ],
  });
  const tracer = provider.getTracer("omniai", version);
  watchPool(pool, tracer);
  const unwatchRedis = watchRedis(tracer);
  return {
    middleware: requestSpans(tracer, routeOf),
    async stop() {
      unwatchRedis();
      await withDeadline("the collector of traces", 1000, provider.shutdown()).catch(() => undefined);
      context.disable();
      diag.disable();
    },
  };
}
