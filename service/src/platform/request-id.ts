/** The id of a request. */
import { randomUUID } from "node:crypto";
import type { RequestHandler } from "express";

/** Long enough to be unique, and short and plain enough to be logged and sent back unchanged. */
export const wellFormedId = /^[A-Za-z0-9][A-Za-z0-9._-]{7,127}$/;

/** Takes over a well-formed X-Request-Id, as the edge sends it, or makes one; it is in `response.locals` and on every answer. */
export const requestId: RequestHandler = (request, response, next) => {
  const given = request.get("x-request-id");
  const id = given !== undefined && wellFormedId.test(given) ? given : randomUUID();
  response.locals.requestId = id;
  response.setHeader("X-Request-Id", id);
  next();
};
