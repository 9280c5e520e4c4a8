import type { Request, RequestHandler, Response } from "express";
import { between } from "../platform/deadline.ts";
import { clientAddress } from "./address.ts";
import type { Admitted } from "./admission.ts";
import { encodeBlock } from "./frame.ts";
import { join, type Outcome } from "./join.ts";
import { principalOf, requestedCursor, requestedFilter } from "./request.ts";
import type { EventsRouterOptions } from "./router.ts";
import { EventStream, type CloseReason } from "./stream.ts";
import { takeOver } from "./take-over.ts";
import type { TopicFilter } from "./topics.ts";

/** What is known of a stream before it is one. */
interface Opening {
  readonly filter: TopicFilter;
  readonly cursor: string | undefined;
  readonly requestId: string;
  readonly admitted: Admitted | undefined;
  readonly refusal: CloseReason | undefined;
}

/** `GET /`: the stream. */
export function openStream(options: EventsRouterOptions): RequestHandler {
  const { streams, admission, config } = options;
  return (request, response) => {
    const filter = requestedFilter(request, principalOf(response));
    const cursor = requestedCursor(request);
    const requestId = response.locals.requestId as string;
    response.status(200);
    // By setHeader: Express would add a charset, and some proxies look for exactly this type.
    response.setHeader("Content-Type", "text/event-stream");
    // no-transform: a proxy that compresses would hold events back. X-Accel-Buffering: the same for nginx' buffers.
    response.setHeader("Cache-Control", "no-cache, no-transform");
    response.setHeader("X-Accel-Buffering", "no");
    // The stream takes its connection with it when it ends, see takeOver.
    response.setHeader("Connection", "close");
    if (request.method === "HEAD") return void response.end();
    const { socket } = response;
    // Behind another request on its connection (pipelining, RFC 9112 9.3.2), which no client does for a stream.
    if (!socket) return void response.end(encodeBlock({ retry: between(1000, 5000) }));
    // Before anything else is spent on it. Native EventSource gives up for ever on anything but 200 (WHATWG HTML
    // 9.2.3): it is turned away within the stream.
    const admitted = streams.isDraining
      ? undefined
      : admission.enter(clientAddress(request, config.trustProxyHops));
    const refusal: CloseReason | undefined = streams.isDraining ? "draining" : admitted ? undefined : "busy";
    socket.setNoDelay(true);
    response.flushHeaders();
    const opening = { filter, cursor, requestId, admitted, refusal };
    // The parser of the request is at work until this turn is over.
    setImmediate(() => start(request, response, opening, options));
  };
}

function start(request: Request, response: Response, opening: Opening, options: EventsRouterOptions): void {
  const { admitted, refusal } = opening;
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
    options.config,
  );
  options.streams.add(stream);
  if (admitted) stream.onClose(() => options.admission.leave(admitted));
  if (refusal) stream.end(refusal, refusal === "busy" ? between(5000, 15_000) : between(500, 3000));
  else welcome(stream, opening.cursor, opening.requestId, options);
}

/** Nothing in here may hold on to the request or the response: they are gone as soon as the stream is on its own. */
function welcome(
  stream: EventStream,
  cursor: string | undefined,
  requestId: string,
  { hub, log, logger, metrics }: EventsRouterOptions,
): void {
  // Something at once, for proxies that wait for a first byte; and a reconnection time of this client's own, so that
  // those who lose their connection together do not come back together.
  stream.send(encodeBlock({ comment: "ok", retry: between(1000, 5000) }));
  const names = { stream: stream.id, requestId };
  logger.info({ ...names, topics: stream.filter.key, cursor: cursor?.slice(0, 128) }, "stream opened");
  stream.onClose(() => {
    const { reason, bytes } = stream;
    logger.info({ ...names, reason, bytes, ms: Date.now() - stream.openedAt }, "stream closed");
  });
  const joined = (outcome: Outcome): void => {
    if (outcome.replayed) metrics.replayed(outcome.replayed);
    if (outcome.reason) metrics.reset(outcome.reason, 1);
    logger.debug({ ...names, ...outcome }, "stream joined");
  };
  join(stream, cursor, hub, log).then(joined, (error: unknown) => {
    logger.error({ ...names, err: error }, "stream could not join");
    stream.drop("unfinished");
  });
}
