/** Requests whose target Express cannot parse. */
import type { IncomingMessage, RequestListener } from "node:http";
import type { Express, Request, RequestHandler, Response } from "express";
import { Problem } from "./problems.ts";

const unreadable = new WeakSet<IncomingMessage>();

/**
 * Express gives up on a target that it cannot parse, such as `http://[::1`, before any middleware has run. So it gets the
 * request a second time with another target, and `refuseUnreadable` answers it as any other that is refused: with its
 * headers, a log line and a metric.
 */
export function withUnreadable(app: Express): RequestListener {
  return (request, response) => {
    app(request as Request, response as Response, (error?: unknown) => {
      if (error || response.headersSent) return void response.destroy();
      unreadable.add(request);
      request.url = "/";
      app(request, response);
    });
  };
}

/** Refuses what came a second time. */
export const refuseUnreadable: RequestHandler = (request, _response, next) => {
  next(
    unreadable.has(request)
      ? new Problem("bad-request", "The target of the request is malformed. Send a path, such as /healthz.")
      : undefined,
  );
};
