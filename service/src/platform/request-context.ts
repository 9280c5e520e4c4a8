/** The request that is being answered, known to whatever is done for it: so that no call has to hand it on. */
import { AsyncLocalStorage } from "node:async_hooks";
import type { RequestHandler } from "express";

/** Not the request itself: a connection or a timer that was begun for it lives longer, and keeps what stands here. */
interface RequestContext {
  readonly requestId: string;
  /** Of a trace that somebody began. */
  readonly traceId: string | undefined;
}

const context = new AsyncLocalStorage<RequestContext>();

/** Undefined for what a replica does for itself. */
export const currentRequest = (): RequestContext | undefined => context.getStore();

/** After the request's ids are known. */
export const rememberRequest: RequestHandler = (_request, response, next) => {
  const { requestId, traceId } = response.locals as RequestContext;
  context.run({ requestId, traceId }, next);
};
