/** Rejects streams before anything is spent on them. */
import type { RequestHandler } from "express";
import { clientAddress } from "../../platform/address.ts";
import type { EventsRouterOptions } from "./options.ts";
import { rejectStream } from "./stream-route.ts";

/**
 * Comes before any question to Redis or PostgreSQL. A stream that is one too many or comes too fast is rejected without a
 * look at its credential. The place is given back when the request ends without becoming a stream.
 */
export function admit(options: EventsRouterOptions): RequestHandler {
  const { admission, streams, config } = options;
  return (request, response, next) => {
    if (request.method === "HEAD") return next();
    if (streams.isDraining) return rejectStream(request, response, "draining", options);
    const admitted = admission.enter(clientAddress(request, config.trustProxyHops));
    if (!admitted) return rejectStream(request, response, "busy", options);
    response.locals.admitted = admitted;
    response.once("close", () => admission.leave(admitted));
    next();
  };
}
