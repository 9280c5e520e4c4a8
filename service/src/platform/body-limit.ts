/** How many bytes of request bodies may be under way, for each address and in all. */
import type { RequestHandler } from "express";
import { clientAddress } from "./address.ts";
import type { ByteBudget } from "./byte-budget.ts";
import { between } from "./deadline.ts";
import { Problem } from "./problems.ts";

export interface BodyLimitOptions {
  readonly budget: ByteBudget;
  /** The longest body that is read; longer ones are refused unread, see jsonBody. */
  readonly limitBytes: number;
  /** See clientAddress. */
  readonly trustProxyHops: number;
}

/**
 * Comes before the body is read. It takes as many bytes as the body may have from the budget, and gives them back when the
 * answer is out. Until then a body is in memory several times (as bytes, as text, on its way to a store), so that many at
 * once would end the process, although none of them is too long.
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
    const taken = budget.take(clientAddress(request, trustProxyHops), bytes);
    if (typeof taken === "string") throw refusal(taken);
    response.once("close", taken);
    next();
  };
}

function refusal(whose: "holder" | "all"): Problem {
  const options = { headers: { "Retry-After": String(Math.ceil(between(0, 3))) } };
  return whose === "holder"
    ? new Problem("too-much-at-once", "Your address is sending too much at once.", options)
    : new Problem("too-much-under-way", "Too much is being sent at once.", options);
}
