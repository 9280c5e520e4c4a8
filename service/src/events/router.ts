import { json, Router, type RequestHandler } from "express";
import type { EventsConfig } from "../config.ts";
import { reasonOf } from "../platform/deadline.ts";
import type { Logger } from "../platform/logging.ts";
import { methodNotAllowed, Problem } from "../platform/problem.ts";
import type { Admission } from "./admission.ts";
import { formatPosition } from "./cursor.ts";
import type { Hub } from "./hub.ts";
import { LogUnavailableError, OnceKeyReusedError, type EventLog } from "./log.ts";
import type { EventsMetrics } from "./metrics.ts";
import { getPoll } from "./poll-route.ts";
import { principalOf } from "./request.ts";
import { parseEvent, parseIdempotencyKey } from "./schema.ts";
import { openStream } from "./stream-route.ts";
import type { Streams } from "./streams.ts";
import { isAllowedTopic } from "./topics.ts";

export interface EventsRouterOptions {
  readonly log: EventLog;
  readonly hub: Hub;
  readonly streams: Streams;
  readonly admission: Admission;
  readonly metrics: EventsMetrics;
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
