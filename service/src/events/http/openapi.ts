/** /api/events in openapi.json. */
import { z } from "zod";
import {
  idempotencyKeyPattern,
  pollAnswerSchema,
  pollQuerySchema,
  postSchema,
  RESERVED_TYPES,
} from "./schema.ts";
import { clientPattern } from "../../reports/schema.ts";
import { topicsPattern } from "../stream/topics.ts";
import { jsonAnswer, problem, retryAfter, type Operation } from "../../platform/operation.ts";

/** A refinement is code; this says the same to a reader of the schema. */
const described = postSchema.extend({
  type: postSchema.shape.type.meta({ not: { enum: [...RESERVED_TYPES] } }),
});

export const EVENT_OPERATIONS: readonly Operation[] = [
  {
    method: "get",
    path: "/api/events",
    login: "optional",
    ports: ["public"],
    tag: "events",
    summary: "Follow events (Server-Sent Events)",
    description:
      "The answer stays open for minutes. The `id:` of each event is a cursor. A client that sends it back first gets " +
      "everything after it. Events of the service itself: `hb` (heartbeat), `reset` (the history from the cursor on is gone: " +
      "read your snapshot again) and `bye` (come back after `retry`).",
    query: z.object({
      topics: z
        .string()
        .regex(topicsPattern)
        .optional()
        .describe(
          "Names of topics, or prefixes such as public.*, separated by commas; public.* when left out.",
        ),
      last_event_id: z.string().optional().describe("A cursor, for clients that cannot set the header."),
      client: z
        .string()
        .regex(clientPattern)
        .optional()
        .describe("The page's name in its client reports; the diagnostics show both together."),
      lastEventId: z.string().optional().describe("The same; last_event_id goes first."),
    }),
    headers: z.object({ "Last-Event-ID": z.string().optional().describe("A cursor; wins over the query.") }),
    responses: {
      200: { description: "The stream.", contentType: "text/event-stream", schema: z.string() },
      204: {
        description: "These topics need a login, and there is none: do not come back without one.",
      },
      400: problem("topics is not a list of topic names or prefixes."),
      401: problem("The bearer token is not valid."),
      403: problem("One of the topics cannot be followed."),
    },
  },
  {
    method: "post",
    path: "/api/events",
    login: "required",
    ports: ["public"],
    tag: "events",
    summary: "Publish an event",
    headers: z.object({
      "Idempotency-Key": z
        .string()
        .regex(idempotencyKeyPattern)
        .optional()
        .describe(
          "The same key and event, within 24 h: stored once, and the same id. Under a flood of keys shorter: the oldest of whoever " +
            "sends most are forgotten first.",
        ),
    }),
    body: { schema: described },
    responses: {
      201: jsonAnswer("The event is in the log and on disk.", z.strictObject({ id: z.string() })),
      400: problem("The event is not valid."),
      401: problem("With authentication on: nobody is logged in, or the token is not valid."),
      403: problem("Events cannot be published to this topic, or not with this credential."),
      408: problem("The body took too long to arrive."),
      413: problem("The body, or the event's data, is longer than allowed."),
      415: problem("The body is not JSON, or its encoding is not supported."),
      422: problem("The Idempotency-Key was used for another event."),
      503: problem("The event could not be stored for certain.", retryAfter),
    },
  },
  {
    method: "get",
    path: "/api/events/poll",
    login: "optional",
    ports: ["public"],
    tag: "events",
    summary: "Read events, for clients that cannot stream",
    query: pollQuerySchema,
    responses: {
      200: jsonAnswer("A page of the log.", pollAnswerSchema),
      400: problem("A parameter is not valid."),
      401: problem("These topics need a login, or the token is not valid."),
      403: problem("One of the topics cannot be followed."),
      503: problem("The events cannot be read at the moment.", retryAfter),
    },
  },
];
