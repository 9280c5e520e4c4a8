/** The route of the stream. */
import type { Request, RequestHandler, Response } from "express";
import { isKnown, principalOf, type KnownPrincipal, type Principal } from "../../auth/principal.ts";
import type { EventsConfig } from "../../platform/env/config.ts";
import { between } from "../../platform/deadline.ts";
import { knownFields } from "../../platform/logging.ts";
import { Problem } from "../../platform/problems.ts";
import { namesOf, type RequestNames } from "../../platform/trace.ts";
import type { Admitted } from "./admission.ts";
import { parsePosition } from "../log/cursor.ts";
import { encodeBlock } from "../stream/frame.ts";
import { join, type Outcome } from "../stream/join.ts";
import { requestedClient, requestedCursor, requestedFilter } from "./request.ts";
import type { EventsRouterOptions } from "./options.ts";
import { EventStream, type CloseReason, type StreamLimits } from "../stream/stream.ts";
import { takeOver } from "../stream/take-over.ts";
import type { TopicFilter } from "../stream/topics.ts";

/** What is known of a stream before it opens. */
interface Opening {
  readonly filter: TopicFilter;
  readonly cursor?: string | undefined;
  readonly client?: string | undefined;
  readonly names: RequestNames;
  readonly owner?: KnownPrincipal | undefined;
  readonly admitted?: Admitted | undefined;
  readonly refusal?: CloseReason | undefined;
}

/** `GET /`: opens a stream for an admitted request. */
export function openStream(options: EventsRouterOptions): RequestHandler {
  const { streams, admission, auth } = options;
  return (request, response) => {
    const principal = principalOf(response);
    const owner = isKnown(principal) ? principal : undefined;
    const isUnclear = response.locals.authUnavailable === true;
    const filter = filterOrUndefined(request, principal, auth.isOn && !owner);
    // Native EventSource takes only 204 as "stop for good" (WHATWG HTML 9.2.3). After a logout it would otherwise come
    // back for ever, for topics that need a login.
    if (!filter && !isUnclear) return void response.status(204).set("Cache-Control", "no-store").end();
    const cursor = requestedCursor(request);
    const client = requestedClient(request);
    const names = namesOf(response);
    if (request.method === "HEAD") return void writeHead(response).end();
    const admitted = response.locals.admitted as Admitted | undefined;
    const refuse = (refusal: CloseReason): void => {
      if (admitted) admission.leave(admitted);
      rejectStream(request, response, refusal, options);
    };
    if (streams.isDraining) return refuse("draining");
    // While nobody can tell whose request it is, 204 would be wrong.
    if (isUnclear || !filter || !admitted) return refuse("busy");
    if (owner && !admission.claim(admitted, owner.userId)) return refuse("busy");
    begin(request, response, { filter, cursor, client, names, owner, admitted }, options);
  };
}

/**
 * Native EventSource gives up for ever on anything but 200 (WHATWG HTML 9.2.3), so a rejected client is told so within a
 * stream. When there are too many of those, the connection is cut, after which EventSource comes back, too.
 */
export function rejectStream(
  request: Request,
  response: Response,
  refusal: CloseReason,
  options: EventsRouterOptions,
): void {
  const { metrics, rejectedStreams } = options;
  if (rejectedStreams.isFull) {
    metrics.opened();
    metrics.closed(refusal, 0, 0);
    return void writeHead(response).destroy();
  }
  begin(request, response, { filter: nothing, names: namesOf(response), refusal }, options);
}

function writeHead(response: Response): Response {
  response.status(200);
  // setHeader, because Express would add a charset, and some proxies look for exactly this type.
  response.setHeader("Content-Type", "text/event-stream");
  // A proxy that compresses would hold events back, and so would the buffers of nginx.
  response.setHeader("Cache-Control", "no-cache, no-transform");
  response.setHeader("X-Accel-Buffering", "no");
  // The stream takes its connection with it when it ends, see takeOver.
  response.setHeader("Connection", "close");
  return response;
}

function begin(request: Request, response: Response, opening: Opening, options: EventsRouterOptions): void {
  const { socket } = response;
  // It waits behind another request on its connection (pipelining, RFC 9112 9.3.2), which no client does for a stream.
  if (!socket) return void writeHead(response).end(encodeBlock({ retry: between(1000, 5000) }));
  writeHead(response);
  socket.setNoDelay(true);
  // Headers, greeting and replay from memory leave in one write, because after a restart thousands come at once.
  socket.cork();
  response.flushHeaders();
  // The request's parser works until this turn of the event loop is over.
  setImmediate(() => {
    start(request, response, opening, options);
    socket.uncork();
  });
}

const nothing: TopicFilter = { key: "", patterns: [], matches: () => false };

/** Undefined for topics that need a login, where one can log in (`isAskable`). */
function filterOrUndefined(
  request: Request,
  principal: Principal,
  isAskable: boolean,
): TopicFilter | undefined {
  try {
    return requestedFilter(request, principal);
  } catch (error) {
    if (isAskable && error instanceof Problem && error.status === 403) return undefined;
    throw error;
  }
}

function start(request: Request, response: Response, opening: Opening, options: EventsRouterOptions): void {
  const { admitted } = opening;
  // The farewell goes to all streams that there are when it begins, and this one was none yet.
  const refusal = opening.refusal ?? (options.streams.isDraining ? "draining" : undefined);
  const isChunked = response.chunkedEncoding;
  const isGone = response.destroyed || !response.socket || response.socket.destroyed;
  if (isGone) {
    if (admitted) options.admission.leave(admitted);
    return;
  }
  const socket = takeOver(request, response);
  const stream = new EventStream(
    socket ?? response,
    socket !== undefined && isChunked,
    opening.filter,
    limitsOf(opening.owner, options.config),
  );
  stream.client = opening.client;
  options.streams.add(stream);
  if (opening.owner) options.auth.streams.add(stream, opening.owner);
  if (admitted) {
    options.admission.open(admitted);
    stream.onClose(() => options.admission.leave(admitted));
  }
  if (refusal) {
    options.rejectedStreams.add(
      stream,
      refusal,
      refusal === "busy" ? between(5000, 15_000) : between(500, 3000),
    );
  } else welcome(stream, opening.cursor, opening.names, options);
}

/** No stream outlives the credential that it was opened with. */
function limitsOf(owner: KnownPrincipal | undefined, config: EventsConfig): StreamLimits {
  const leftMs = (owner?.expiresAt ?? Infinity) - Date.now();
  if (leftMs >= config.maxAgeMs) return config;
  return { ...config, maxAgeMs: Math.max(0, leftMs), endsAt: Date.now() + Math.max(0, leftMs) };
}

/** Nothing in here may keep the request or the response alive: the stream does without them from now on. */
function welcome(
  stream: EventStream,
  cursor: string | undefined,
  request: RequestNames,
  { hub, log, logger, metrics }: EventsRouterOptions,
): void {
  // Something at once, for proxies that wait for a first byte. The reconnection time is random, so that clients that lose
  // their connection together do not come back together.
  stream.send(encodeBlock({ comment: "ok", retry: between(1000, 5000) }));
  const names = { stream: stream.id, ...request };
  const quick = knownFields(logger);
  // Only a valid cursor: anything else may be any text of the client.
  const known = cursor !== undefined && parsePosition(cursor) ? cursor : undefined;
  quick.info({ ...names, topics: stream.filter.key, cursor: known }, "stream opened");
  stream.onClose(() => {
    const { reason, bytes } = stream;
    quick.info({ ...names, reason, bytes, ms: Date.now() - stream.openedAt }, "stream closed");
  });
  const joined = (outcome: Outcome): void => {
    if (outcome.replayed) metrics.replayed(outcome.replayed);
    if (outcome.reason) metrics.reset(outcome.reason, 1);
    quick.debug({ ...names, ...outcome }, "stream joined");
  };
  join(stream, cursor, hub, log).then(joined, (error: unknown) => {
    logger.error({ ...names, err: error }, "stream could not join");
    stream.drop("unfinished");
  });
}
