import type { Request, RequestHandler } from "express";
import { isKnown, principalOf, unauthenticated, type Principal } from "../auth/principal.ts";
import { between, reasonOf } from "../platform/deadline.ts";
import { Problem } from "../platform/problem.ts";
import { namesOf } from "../platform/trace.ts";
import { clientAddress } from "../platform/address.ts";
import { poll, type PollPage } from "./poll.ts";
import { requestedFilter, requestedNumber, single } from "./request.ts";
import type { EventsRouterOptions } from "./router.ts";
import type { TopicFilter } from "./topics.ts";

/** Longest wait of a poll, s: below what proxies give an answer that has not begun (nginx 60 s, Cloudflare 100 s). */
const maxWaitSeconds = 25;
const maxLimit = 500;
/** For a log that was not reached yet, or moves: what a poll may take that does not want to wait, ms. */
const patienceMs = 1000;

/**
 * `GET /poll?after=&limit=&wait=&topics=`: the log for clients that cannot stream. Always 200 with a page while the log
 * can be read. With too many who wait, or when this replica drains, it answers at once and says when to ask again.
 */
export function getPoll({
  log,
  hub,
  streams,
  admission,
  metrics,
  config,
  auth,
  logger,
}: EventsRouterOptions): RequestHandler {
  return async (request, response) => {
    const principal = principalOf(response);
    const filter = filterFor(request, principal, auth.isOn);
    const limit = requestedNumber(request, "limit", 100, 1, maxLimit);
    const wait = requestedNumber(request, "wait", 0, 0, maxWaitSeconds);
    const after = single(request.query.after);
    response.set("Cache-Control", "no-store");
    const isWaiting = wait > 0 && request.method === "GET" && !streams.isDraining;
    const held = isWaiting
      ? admission.hold(clientAddress(request, config.trustProxyHops), principal.userId)
      : undefined;

    const enough = new AbortController();
    const abort = (): void => enough.abort();
    const patience = held ? wait * 1000 : hub.position ? 0 : patienceMs;
    const timer = setTimeout(abort, patience);
    if (patience === 0) abort();
    streams.draining.addEventListener("abort", abort);
    response.once("close", abort);
    let page: PollPage | undefined;
    try {
      page = await poll({ after, filter, limit }, hub, log, enough.signal);
    } catch (error) {
      logger.warn({ ...namesOf(response), reason: reasonOf(error) }, "poll failed");
    } finally {
      clearTimeout(timer);
      streams.draining.removeEventListener("abort", abort);
      response.off("close", abort);
      if (held) admission.leave(held);
    }
    if (response.destroyed) return;
    // It began before the drain: the next request is for a successor.
    if (streams.isDraining) response.set("Connection", "close");
    if (!page) {
      throw new Problem(503, "event-log-unavailable", "The events cannot be read now.", {
        headers: { "Retry-After": String(Math.ceil(between(0.1, 3))) },
      });
    }
    if (page.reset) metrics.reset(page.reset.reason, 1);
    response.json({ ...page, retryMs: Math.round(retryMs(page, held !== undefined, streams.isDraining)) });
  };
}

/** @throws Problem 401 instead of 403 where a login would help. */
function filterFor(request: Request, principal: Principal, canLogIn: boolean): TopicFilter {
  try {
    return requestedFilter(request, principal);
  } catch (error) {
    const isForSomebody = error instanceof Problem && error.status === 403;
    throw isForSomebody && canLogIn && !isKnown(principal) ? unauthenticated() : error;
  }
}

/** When to ask again, ms: at random where many would otherwise come together. */
function retryMs(page: PollPage, hasWaited: boolean, isDraining: boolean): number {
  if (isDraining) return between(500, 3000);
  return page.more || hasWaited ? 0 : between(1000, 5000);
}
