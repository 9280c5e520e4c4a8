/** The route of the poll. */
import type { Request, RequestHandler, Response } from "express";
import type { Owned } from "../../auth/owned-streams.ts";
import { invalidToken, isKnown, principalOf, unauthenticated, type Principal } from "../../auth/principal.ts";
import { clientAddress } from "../../platform/address.ts";
import type { ByteBudget } from "../../platform/byte-budget.ts";
import { between, reasonOf } from "../../platform/deadline.ts";
import { Problem } from "../../platform/problems.ts";
import { cutAfter, sendText } from "../../platform/send-text.ts";
import { namesOf } from "../../platform/trace.ts";
import { validated } from "../../platform/validate.ts";
import { formatPosition } from "../log/cursor.ts";
import type { Hub } from "../stream/hub.ts";
import { poll, type PollPage } from "../stream/poll.ts";
import type { EventsRouterOptions } from "./options.ts";
import { answerText, costOfAnswer } from "./poll-answer.ts";
import { requestedFilter, single } from "./request.ts";
import { pollNumbersSchema } from "./schema.ts";
import type { TopicFilter } from "../stream/topics.ts";

/**
 * What a poll counts that does not wait, in bytes, before it has found anything: each may stand in a queue for its turn to
 * read the log. Those that wait are counted as streams are.
 */
const LEAST_BYTES = 16_384;

/** How long a poll without `wait` may take while the log was not reached yet, or moves, in ms. */
const PATIENCE_MS = 1000;

/** How long a client may take for a whole answer, in ms: half a megabyte at 140 kbit/s. Longer it holds room of all others. */
const ANSWER_MS = 30_000;

/**
 * `GET /poll?after=&limit=&wait=&topics=`: the log for clients that cannot stream. It always answers 200 with a page while
 * the log can be read. When too many polls wait, or this replica drains, it answers at once and says when to ask again; so
 * it does, without events, when too much is on its way to other polls.
 */
export function getPoll({
  log,
  hub,
  streams,
  admission,
  answers,
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
    const address = clientAddress(request, config.trustProxyHops);
    response.set("Cache-Control", "no-store");
    const isWaiting = wait > 0 && request.method === "GET" && !streams.isDraining;
    const held = isWaiting ? admission.hold(address, principal.userId) : undefined;
    const room = roomFor(response, answers, address, held ? 0 : LEAST_BYTES);

    const enough = new AbortController();
    const abort = (): void => enough.abort();
    const waiting = new WaitingPoll(abort);
    // Before the first look at the log: it hears of every revocation from now on.
    if (held && isKnown(principal)) auth.streams.add(waiting, principal);
    const patience = held ? patienceOf(wait * 1000, principal) : hub.position ? 0 : PATIENCE_MS;
    const timer = setTimeout(abort, patience);
    if (patience === 0) abort();
    streams.draining.addEventListener("abort", abort);
    response.once("close", abort);
    let page: PollPage | undefined;
    try {
      const { mayHold } = room;
      page = room.isUsedUp ? nothingOf(after, hub) : undefined;
      page ??= await poll({ after, filter, limit, mayHold }, hub, log, enough.signal);
    } catch (error) {
      logger.warn({ ...namesOf(response), reason: reasonOf(error) }, "poll failed");
    } finally {
      clearTimeout(timer);
      streams.draining.removeEventListener("abort", abort);
      response.off("close", abort);
      if (held) admission.leave(held);
      waiting.close();
      // Not before: what a poll has found stays in memory until it ends, also when its client has left.
      if (response.closed) room.leave();
      else response.once("close", room.leave);
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
    let waitMs = retryMs(page, held !== undefined, streams.isDraining);
    if (room.isUsedUp) waitMs = Math.max(waitMs, between(500, 2000));
    sendText(response, "application/json", answerText(page, Math.round(waitMs)));
    cutAfter(response, ANSWER_MS);
  };
}

interface Room {
  /** Whether the budget had no room for something. */
  readonly isUsedUp: boolean;
  /** See PollRequest. */
  readonly mayHold: (bytes: number) => boolean;
  readonly leave: () => void;
}

/** What a poll and its answer take of the budget, from its first read until the answer is out. */
function roomFor(response: Response, answers: ByteBudget, address: string, least: number): Room {
  const hold = answers.hold(address, least);
  if (typeof hold === "string") return { isUsedUp: true, mayHold: () => false, leave: () => undefined };
  let isUsedUp = false;
  return {
    get isUsedUp() {
      return isUsedUp;
    },
    mayHold(bytes) {
      if (response.closed) return false;
      const usedUp = hold.resize(least + costOfAnswer(bytes)) !== undefined;
      isUsedUp ||= usedUp;
      return !usedUp;
    },
    leave: () => void hold.resize(0),
  };
}

/** The answer to a poll for which there is no room; undefined where it has to be looked at to know its place. */
function nothingOf(after: string | undefined, { position }: Hub): PollPage | undefined {
  const next = after ?? (position && formatPosition(position));
  return next === undefined ? undefined : { deliveries: [], next, more: after !== undefined };
}

/** No wait outlasts the credential that it was asked for with. */
const patienceOf = (ms: number, { expiresAt = Infinity }: Principal): number =>
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
