/** The routes of /api/events. */
import { Router, type RequestHandler } from "express";
import type { Auth } from "../../auth/auth.ts";
import { hasScope, insufficientScope, principalOf, requireKnown } from "../../auth/principal.ts";
import { clientAddress } from "../../platform/address.ts";
import { jsonBody } from "../../platform/body.ts";
import { countUntil } from "../../platform/body-limit.ts";
import { reasonOf } from "../../platform/deadline.ts";
import { methodNotAllowed, Problem } from "../../platform/problems.ts";
import { namesOf } from "../../platform/trace.ts";
import { admit } from "./admit.ts";
import { formatPosition } from "../log/cursor.ts";
import { LogUnavailableError, IdempotencyKeyReusedError } from "../log/log.ts";
import type { EventsRouterOptions } from "./options.ts";
import { getPoll } from "./poll-route.ts";
import { parseEvent, parseIdempotencyKey } from "./schema.ts";
import { openStream } from "./stream-route.ts";
import { isAllowedTopic } from "../stream/topics.ts";

export function eventsRouter(options: EventsRouterOptions): Router {
  const router = Router();
  router
    .route("/")
    .get(admit(options), options.auth.identifyStream, openStream(options))
    .post(
      options.auth.identify,
      mayPublish(options.auth),
      jsonBody(options.bodyLimitBytes),
      postEvent(options),
    )
    .all(methodNotAllowed("GET", "HEAD", "POST", "OPTIONS"));
  router
    .route("/poll")
    .get(options.auth.look, getPoll(options))
    .all(methodNotAllowed("GET", "HEAD", "OPTIONS"));
  return router;
}

/** Comes before the body is read. With authentication turned off, everybody may publish. */
function mayPublish(auth: Auth): RequestHandler {
  return (_request, response, next) => {
    if (auth.isOn && !hasScope(requireKnown(response), "events:write"))
      throw insufficientScope("events:write");
    next();
  };
}

/**
 * Answers 201 with the id only when the event is on disk, and 503 with Retry-After when that cannot be promised. The same
 * Idempotency-Key gives the same id, and never a second entry in the log
 * (https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/, which also says 422 for another body).
 */
function postEvent({ log, config, logger }: EventsRouterOptions): RequestHandler {
  return async (request, response) => {
    const event = parseEvent(request.body, config.maxEventBytes);
    // Taken apart it is up to thirty times as long as its text, and until the event is on disk many of them wait.
    request.body = undefined;
    const principal = principalOf(response);
    const key = parseIdempotencyKey(request.get("idempotency-key"));
    if (!isAllowedTopic(principal, event.topic)) {
      throw new Problem("topic-not-allowed", "Events cannot be published to this topic.");
    }
    try {
      const publisher = principal.userId ?? clientAddress(request, config.trustProxyHops);
      const appended = log.append(event, key && `${principal.userId ?? ""}\n${key}`, publisher);
      const id = formatPosition(await countUntil(request, appended));
      response.status(201).set("Cache-Control", "no-store").json({ id });
    } catch (error) {
      if (error instanceof IdempotencyKeyReusedError) {
        throw new Problem("idempotency-key-reused", "This Idempotency-Key was used for another event.");
      }
      if (!(error instanceof LogUnavailableError)) throw error;
      logger.warn({ ...namesOf(response), reason: reasonOf(error) }, "event not acknowledged");
      throw new Problem(
        "event-log-unavailable",
        key
          ? "The event could not be stored for certain. Sending it again with the same key stores it once."
          : "The event could not be stored for certain. It may be in the log; without an Idempotency-Key, sending it again may store it twice.",
        { headers: { "Retry-After": String(error.retryAfterSeconds) } },
      );
    }
  };
}
