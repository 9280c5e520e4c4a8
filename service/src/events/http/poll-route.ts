/** The route of the poll. */
import type { Request, RequestHandler } from "express";
import type { Owned } from "../../auth/owned-streams.ts";
import { invalidToken, isKnown, principalOf, unauthenticated, type Principal } from "../../auth/principal.ts";
import { clientAddress } from "../../platform/address.ts";
import { between, reasonOf } from "../../platform/deadline.ts";
import { Problem } from "../../platform/problems.ts";
import { namesOf } from "../../platform/trace.ts";
import { validated } from "../../platform/validate.ts";
import { poll, type PollPage } from "../stream/poll.ts";
import { requestedFilter, single } from "./request.ts";
import type { EventsRouterOptions } from "./options.ts";
import { pollNumbersSchema } from "./schema.ts";
import type { TopicFilter } from "../stream/topics.ts";

/** How long a poll without `wait` may take while the log was not reached yet, or moves, in ms. */
const PATIENCE_MS = 1000;

/**
 * `GET /poll?after=&limit=&wait=&topics=`: the log for clients that cannot stream. It always answers 200 with a page while
 * the log can be read. When too many polls wait, or this replica drains, it answers at once and says when to ask again.
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
    const { limit, wait } = validated(
      pollNumbersSchema,
      request.query,
      "invalid-query",
      "A parameter is not valid.",
    );
    const after = single(request.query.after);
    response.set("Cache-Control", "no-store");
    const isWaiting = wait > 0 && request.method === "GET" && !streams.isDraining;
    const held = isWaiting
      ? admission.hold(clientAddress(request, config.trustProxyHops), principal.userId)
      : undefined;

    const enough = new AbortController();
    const abort = (): void => enough.abort();
    const waiting = new WaitingPoll(abort);
    // Before the first look at the log: it hears of every revocation from now on.
    if (held && isKnown(principal)) auth.streams.add(waiting, principal);
    const patience = held ? waitMs(wait * 1000, principal) : hub.position ? 0 : PATIENCE_MS;
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
      waiting.close();
    }
    if (response.destroyed) return;
    if (waiting.isRevoked) {
      throw principal.credential?.kind === "session" ? unauthenticated() : invalidToken();
    }
    // It began before the drain, so the next request is for a successor.
    if (streams.isDraining) response.set("Connection", "close");
    if (!page) {
      throw new Problem("event-log-unavailable", "The events cannot be read now.", {
        headers: { "Retry-After": String(Math.ceil(between(0.1, 3))) },
      });
    }
    if (page.reset) metrics.reset(page.reset.reason, 1);
    response.json({ ...page, retryMs: Math.round(retryMs(page, held !== undefined, streams.isDraining)) });
  };
}

/** No wait outlasts the credential that it was asked for with. */
const waitMs = (ms: number, { expiresAt = Infinity }: Principal): number =>
  Math.max(0, Math.min(ms, expiresAt - Date.now()));

/** A poll that a revocation can end. */
class WaitingPoll implements Owned {
  isRevoked = false;
  readonly #abort: () => void;
  #onClose: (() => void)[] = [];

  constructor(abort: () => void) {
    this.#abort = abort;
  }

  onClose(listener: () => void): void {
    this.#onClose.push(listener);
  }

  revoke(): void {
    this.isRevoked = true;
    this.#abort();
  }

  close(): void {
    for (const listener of this.#onClose.splice(0)) listener();
  }
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

/** When to ask again, in ms: random where many clients would otherwise come together. */
function retryMs(page: PollPage, hasWaited: boolean, isDraining: boolean): number {
  if (isDraining) return between(500, 3000);
  return page.more || hasWaited ? 0 : between(1000, 5000);
}
