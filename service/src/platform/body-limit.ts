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
 * Before a body is read: as many bytes as it may have are taken from the budget, and given back when the answer is out. A
 * body is there several times over until then (as read, as text, on its way to a store), so many at once would end the
 * process long before any of them was too long.
 *
 * @throws Problem 429 when this address has too many bytes under way, 503 when all together have.
 */
export function limitBodies({ budget, limitBytes, trustProxyHops }: BodyLimitOptions): RequestHandler {
  return (request, response, next) => {
    const { method, headers } = request;
    const isSent = headers["transfer-encoding"] !== undefined || headers["content-length"] !== undefined;
    // Of a GET nobody reads the body.
    if (!isSent || method === "GET" || method === "HEAD") return next();
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
