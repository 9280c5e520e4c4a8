import { json, Router, type RequestHandler } from "express";
import type { EventsConfig } from "../config.ts";
import { between, reasonOf } from "../platform/deadline.ts";
import type { Logger } from "../platform/logging.ts";
import { methodNotAllowed, Problem } from "../platform/problem.ts";
import { clientAddress } from "./address.ts";
import type { Admission } from "./admission.ts";
import { formatPosition } from "./cursor.ts";
import { encodeBlock } from "./frame.ts";
import type { Hub } from "./hub.ts";
import { join } from "./join.ts";
import { LogUnavailableError, OnceKeyReusedError, type EventLog } from "./log.ts";
import { getPoll } from "./poll-route.ts";
import { principalOf, requestedCursor, requestedFilter } from "./request.ts";
import { parseEvent, parseIdempotencyKey } from "./schema.ts";
import { EventStream, type CloseReason } from "./stream.ts";
import type { Streams } from "./streams.ts";
import { isAllowedTopic } from "./topics.ts";

export interface EventsRouterOptions {
  readonly log: EventLog;
  readonly hub: Hub;
  readonly streams: Streams;
  readonly admission: Admission;
  readonly config: EventsConfig;
  readonly bodyLimitBytes: number;
  readonly logger: Logger;
}

export function eventsRouter(options: EventsRouterOptions): Router {
  const router = Router();
  router
    .route("/")
    .get(openStream(options))
    .post(requireJson, json({ limit: options.bodyLimitBytes, strict: false }), postEvent(options))
    .all(methodNotAllowed("GET", "HEAD", "POST", "OPTIONS"));
  router
    .route("/poll")
    .get(getPoll(options))
    .all(methodNotAllowed("GET", "HEAD", "OPTIONS"));
  return router;
}

const requireJson: RequestHandler = (request, _response, next) => {
  if (request.is("application/json")) return next();
  next(new Problem(415, "unsupported-media-type", "The body has to be application/json."));
};

/**
 * 201 with the id only when the event is on disk; 503 with Retry-After when that cannot be promised. The same
 * Idempotency-Key gives the same id, and the log never a second entry
 * (https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/, which also says 422 for another body).
 */
function postEvent({ log, config, logger }: EventsRouterOptions): RequestHandler {
  return async (request, response) => {
    const event = parseEvent(request.body, config.maxEventBytes);
    const principal = principalOf(response);
    const key = parseIdempotencyKey(request.get("idempotency-key"));
    if (!isAllowedTopic(principal, event.topic)) {
      throw new Problem(403, "topic-not-allowed", "Events cannot be published to this topic.");
    }
    try {
      const id = formatPosition(await log.append(event, key && `${principal.userId ?? ""}\n${key}`));
      response.status(201).set("Cache-Control", "no-store").json({ id });
    } catch (error) {
      if (error instanceof OnceKeyReusedError) {
        throw new Problem(422, "idempotency-key-reused", "This Idempotency-Key was used for another event.");
      }
      if (!(error instanceof LogUnavailableError)) throw error;
      logger.warn(
        { requestId: response.locals.requestId as string, reason: reasonOf(error) },
        "event not acknowledged",
      );
      throw new Problem(
        503,
        "event-log-unavailable",
        key
          ? "The event could not be stored for certain. Sending it again with the same key stores it once."
          : "The event could not be stored for certain. It may be in the log; without an Idempotency-Key, sending it again may store it twice.",
        { headers: { "Retry-After": String(error.retryAfterSeconds) } },
      );
    }
  };
}

function openStream({ log, hub, streams, admission, config, logger }: EventsRouterOptions): RequestHandler {
  return (request, response) => {
    const filter = requestedFilter(request, principalOf(response));
    const cursor = requestedCursor(request);
    response.status(200);
    // By setHeader: Express would add a charset, and some proxies look for exactly this type.
    response.setHeader("Content-Type", "text/event-stream");
    // no-transform: a proxy that compresses would hold events back. X-Accel-Buffering: the same for nginx' buffers.
    response.setHeader("Cache-Control", "no-cache, no-transform");
    response.setHeader("X-Accel-Buffering", "no");
    if (request.method === "HEAD") {
      response.end();
      return;
    }
    // Native EventSource gives up for ever on anything but 200 (WHATWG HTML 9.2.3): it is turned away within the stream.
    const admitted = streams.isDraining
      ? undefined
      : admission.enter(clientAddress(request, config.trustProxyHops));
    const refusal: CloseReason | undefined = streams.isDraining ? "draining" : admitted ? undefined : "busy";
    if (refusal === "busy") response.setHeader("Connection", "close");
    response.socket?.setNoDelay(true);
    response.flushHeaders();
    const stream = new EventStream(response, filter, config);
    streams.add(stream);
    if (admitted) stream.onClose(() => admission.leave(admitted));
    if (refusal) return stream.end(refusal, refusal === "busy" ? between(5000, 15_000) : between(500, 3000));
    // Something at once, for proxies that wait for a first byte; and a reconnection time of this client's own, so that
    // those who lose their connection together do not come back together.
    stream.send(encodeBlock({ comment: "ok", retry: between(1000, 5000) }));
    const names = { stream: stream.id, requestId: response.locals.requestId as string };
    logger.info({ ...names, topics: filter.key, cursor: cursor?.slice(0, 128) }, "stream opened");
    stream.onClose(() => {
      const { reason, bytes } = stream;
      logger.info({ ...names, reason, bytes, ms: Date.now() - stream.openedAt }, "stream closed");
    });
    join(stream, cursor, hub, log).then(
      (outcome) => logger.debug({ ...names, ...outcome }, "stream joined"),
      (error: unknown) => {
        logger.error({ ...names, err: error }, "stream could not join");
        stream.drop("unfinished");
      },
    );
  };
}
