/** The cookie of a session. */
import type { AuthConfig } from "../../platform/env/config.ts";

/**
 * With this prefix the browser insists on Secure, on Path=/ and on no Domain (RFC 6265bis 4.1.3.2), so that no
 * neighbouring host can set the cookie.
 */
export const COOKIE_NAME = "__Host-sid";

/**
 * A page of the same site gets its cookie with Lax. To a page of another site (github.io is on the Public Suffix List)
 * browsers send only a cookie with None, and Partitioned keeps that working where third-party cookies are blocked (CHIPS).
 * There is no Max-Age: the cookie ends with the browser, and the session ends at its own time anyway.
 */
const attributes: Readonly<Record<AuthConfig["pageSite"], string>> = {
  "same-site": "Path=/; Secure; HttpOnly; SameSite=Lax",
  "cross-site": "Path=/; Secure; HttpOnly; SameSite=None; Partitioned",
};

export const sessionCookie = (id: string, pageSite: AuthConfig["pageSite"]): string =>
  `${COOKIE_NAME}=${id}; ${attributes[pageSite]}`;

/** Removes the cookie: a browser removes a partitioned one only when it is told with the same attributes. */
export const clearedCookie = (pageSite: AuthConfig["pageSite"]): string =>
  `${COOKIE_NAME}=; ${attributes[pageSite]}; Max-Age=0`;

const idPattern = /^[A-Za-z0-9_-]{43}$/;
/** A partitioned and an unpartitioned cookie of the same name may come together. */
const MAX_IDS = 2;

/** The session ids that a request carries, without anything that does not look like one. */
export function sessionIds(header: string | undefined): readonly string[] {
  return (header ?? "")
    .split(";")
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(`${COOKIE_NAME}=`))
    .map((pair) => pair.slice(COOKIE_NAME.length + 1))
    .filter((id) => idPattern.test(id))
    .slice(0, MAX_IDS);
}
