/** Where a request may come from that a browser sends with a cookie. */
import type { Request, Response } from "express";
import { Problem } from "../../platform/problems.ts";

/** Requests that change nothing (RFC 9110 9.2.1). */
export const isSafeMethod = (method: string): boolean => ["GET", "HEAD", "OPTIONS"].includes(method);

/**
 * Refuses a request that another site's page made a browser send with the user's cookie. Where there is an `Origin`, as
 * with every POST of a browser, it decides: it has to be this host's own, or exactly one of the list. Without it the request
 * needs `Sec-Fetch-Site: same-origin` (Fetch Metadata). With neither, nobody knows where the request comes from.
 *
 * @throws Problem 403
 */
export function checkOrigin(request: Request, response: Response, allowed: readonly string[]): void {
  response.vary("Origin").vary("Sec-Fetch-Site");
  const origin = request.get("origin");
  if (origin === undefined) {
    if (request.get("sec-fetch-site") === "same-origin") return;
    throw new Problem(
      "origin-unknown",
      "A request with a cookie has to say where it comes from: with Origin, or Sec-Fetch-Site: same-origin.",
    );
  }
  if (allowed.includes(origin) || isOwn(origin, request.get("host"))) return;
  throw new Problem("origin-not-allowed", "This origin is not one of the API's pages.");
}

/** Compares with the host that the browser addressed, which the edge hands on. The scheme does not count: TLS ends at the edge. */
function isOwn(origin: string, host: string | undefined): boolean {
  return host !== undefined && URL.canParse(origin) && new URL(origin).host === host.toLowerCase();
}
