/** What a request for events asks for: cursor, topics, and the page's name. */
import type { Request } from "express";
import { hasScope, isKnown, type Principal } from "../../auth/principal.ts";
import { Problem } from "../../platform/problems.ts";
import { clientPattern } from "../../reports/schema.ts";
import { isAllowedTopic, parseFilter, type TopicFilter } from "../stream/topics.ts";

/** The header wins over the query, because it is newer: EventSource keeps the query of its first request for ever. */
export function requestedCursor(request: Request): string | undefined {
  return single(request.get("last-event-id") || (request.query.last_event_id ?? request.query.lastEventId));
}

/** The page's name in its reports. @throws Problem for a name that no report can have. */
export function requestedClient(request: Request): string | undefined {
  const { client } = request.query;
  if (client === undefined) return undefined;
  if (typeof client === "string" && clientPattern.test(client)) return client;
  throw new Problem("invalid-query", "client is 8 to 64 letters, digits, _ and -.");
}

/** A cursor. With several, nobody knows which one was meant, so they count as an unknown one. */
export function single(cursor: unknown): string | undefined {
  if (cursor === undefined || cursor === "") return undefined;
  return typeof cursor === "string" ? cursor : "?";
}

/** @throws Problem for topics that are not well-formed, or not for this principal. */
export function requestedFilter(request: Request, principal: Principal): TopicFilter {
  const asked = request.query.topics;
  const patterns = asked === undefined || asked === "" ? [] : [asked].flat().flatMap(split);
  const filter = parseFilter(patterns);
  if (!filter) {
    throw new Problem(
      "invalid-topics",
      "topics is a list of topic names, or prefixes such as public.*, separated by commas.",
    );
  }
  const reader = isKnown(principal) && hasScope(principal, "events:read") ? principal : {};
  if (!patterns.every((pattern) => isAllowedTopic(reader, pattern))) {
    throw new Problem("topic-not-allowed", "One of these topics cannot be followed.");
  }
  return filter;
}

/** Anything but text becomes a topic that is not well-formed. */
const split = (part: unknown): string[] => (typeof part === "string" ? part.split(",") : [""]);
