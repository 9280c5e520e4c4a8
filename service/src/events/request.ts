import type { Request, Response } from "express";
import { Problem } from "../platform/problem.ts";
import { isAllowedTopic, parseFilter, type Principal, type TopicFilter } from "./topics.ts";

/** Everybody, until there is authentication; that puts its principal into `response.locals`. */
export function principalOf(response: Response): Principal {
  return (response.locals.principal as Principal | undefined) ?? {};
}

/** The header wins over the query: it is newer, EventSource keeps the query of its first request for ever. */
export function requestedCursor(request: Request): string | undefined {
  return single(request.get("last-event-id") || (request.query.last_event_id ?? request.query.lastEventId));
}

/** A cursor; of several nobody knows which was meant, so they are treated as one that is not known. */
export function single(cursor: unknown): string | undefined {
  if (cursor === undefined || cursor === "") return undefined;
  return typeof cursor === "string" ? cursor : "?";
}

/** @throws Problem for topics that are not well-formed, or not for this one. */
export function requestedFilter(request: Request, principal: Principal): TopicFilter {
  const asked = request.query.topics;
  const patterns = (Array.isArray(asked) ? asked : [asked])
    .filter((part): part is string => typeof part === "string")
    .flatMap((part) => part.split(","))
    .filter((part) => part !== "");
  const filter = parseFilter(patterns);
  if (!filter) {
    throw new Problem(
      400,
      "invalid-topics",
      "topics is a list of topic names, or prefixes such as public.*, by commas.",
    );
  }
  if (!patterns.every((pattern) => isAllowedTopic(principal, pattern))) {
    throw new Problem(403, "topic-not-allowed", "One of these topics cannot be followed.");
  }
  return filter;
}

/** A whole number of the query. @throws Problem for one that is not, or not within its bounds. */
export function requestedNumber(
  request: Request,
  name: string,
  fallback: number,
  min: number,
  max: number,
): number {
  const given = request.query[name];
  if (given === undefined) return fallback;
  const value = typeof given === "string" && /^\d{1,9}$/.test(given) ? Number(given) : NaN;
  if (value >= min && value <= max) return value;
  throw new Problem(400, "invalid-query", `${name} is a whole number from ${min} to ${max}.`);
}
