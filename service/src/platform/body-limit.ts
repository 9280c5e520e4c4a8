/** How many bytes of request bodies may be under way, for each address and in all. */
import type { IncomingMessage } from "node:http";
import type { RequestHandler } from "express";
import { clientAddress } from "./address.ts";
import type { ByteBudget, Hold, UsedUp } from "./byte-budget.ts";
import { between } from "./deadline.ts";
import { Problem } from "./problems.ts";

export interface BodyLimitOptions {
  readonly budget: ByteBudget;
  /** The longest body that is read; longer ones are refused unread, see jsonBody. */
  readonly limitBytes: number;
  /** See clientAddress. */
  readonly trustProxyHops: number;
}

/** The least that a body counts while it is read, in bytes, so that there are not any number of them without an end. */
const LEAST_BYTES = 1024;

/** A body that is under way: for its client, and for whatever else still has it. */
interface UnderWay {
  readonly hold: Hold;
  holders: number;
}

const underWay = new WeakMap<IncomingMessage, UnderWay>();

/**
 * Comes before the body is read. It takes as many bytes as the body may have from the budget, and gives them back when the
 * answer is out. Until then a body is in memory several times (as bytes, as text, on its way to a store), so that many at
 * once would end the process, although none of them is too long. While it is read it counts as far as it has come, see
 * `chargeArrived`. Where a store still has it when the client has left, see `countUntil`.
 *
 * @throws Problem 429 when this address has too many bytes under way, 503 when all together have.
 */
export function limitBodies({ budget, limitBytes, trustProxyHops }: BodyLimitOptions): RequestHandler {
  return (request, response, next) => {
    const { method, headers } = request;
    const isSent = headers["transfer-encoding"] !== undefined || headers["content-length"] !== undefined;
    // Nobody reads the body of a GET.
    if (!isSent || method === "GET" || method === "HEAD") return next();
    // The client left while its request waited for the rate limit. "close" does not come again, so nothing would give the
    // bytes back, and nobody reads an answer.
    if (response.closed) return;
    const bytes = Math.min(limitBytes, Number(headers["content-length"] ?? limitBytes));
    const hold = budget.hold(clientAddress(request, trustProxyHops), bytes);
    if (typeof hold === "string") throw refusal(hold);
    underWay.set(request, { hold, holders: 1 });
    response.once("close", () => letGo(request));
    next();
  };
}

/**
 * Counts the request's body until `work` has settled, too: what a client has sent stays in memory when it hangs up, so
 * otherwise one that always does would send any number of bodies at once.
 */
export function countUntil<T>(request: IncomingMessage, work: Promise<T>): Promise<T> {
  const body = underWay.get(request);
  if (!body) return work;
  body.holders++;
  return work.finally(() => letGo(request));
}

function letGo(request: IncomingMessage): void {
  const body = underWay.get(request);
  if (!body || --body.holders > 0) return;
  underWay.delete(request);
  body.hold.resize(0);
}

/**
 * From when a body is read it counts for what has arrived of it: otherwise a few clients that announce long bodies, and
 * then send hardly anything, would hold the whole budget.
 * @param arrived so many bytes, in all.
 * @returns why the rest is not read, if there is no room for what came.
 */
export function chargeArrived(request: IncomingMessage, arrived: number): Problem | undefined {
  const usedUp = underWay.get(request)?.hold.resize(Math.max(LEAST_BYTES, arrived));
  return usedUp && refusal(usedUp);
}

function refusal(whose: UsedUp): Problem {
  const options = { headers: { "Retry-After": String(Math.ceil(between(0, 3))) } };
  return whose === "holder"
    ? new Problem("too-much-at-once", "Your address is sending too much at once.", options)
    : new Problem("too-much-under-way", "Too much is being sent at once.", options);
}
