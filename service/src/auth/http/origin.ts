/** Where a request may come from that a browser sends with a cookie. */
import type { Request, Response } from "express";
import { Problem } from "../../platform/problems.ts";

/** Requests that change nothing (RFC 9110 9.2.1). */
export const isSafeMethod = (method: string): boolean => ["GET", "HEAD", "OPTIONS"].includes(method);

/**
 * Refuses what another site's page had a browser send with the user's cookie. `Origin` decides where it is sent, which
 * browsers do with every POST: it has to be this host's own or one of the list, exactly. Without it only
 * `Sec-Fetch-Site: same-origin` will do (Fetch Metadata). With neither, nobody knows where the request comes from.
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
  throw new Problem("origin-not-allowed", "This origin may not do that. It is not one of the API's pages.");
}

/** The host as the browser addressed it: the edge hands it on. The scheme does not count, TLS ends before. */
function isOwn(origin: string, host: string | undefined): boolean {
  return host !== undefined && URL.canParse(origin) && new URL(origin).host === host.toLowerCase();
}
