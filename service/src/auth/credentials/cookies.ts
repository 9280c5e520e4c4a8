/** The cookie of a session. */
import type { AuthConfig } from "../../platform/env/config.ts";

/**
 * The prefix makes the browser insist on Secure, on Path=/ and on no Domain (RFC 6265bis 4.1.3.2), so that no
 * neighbouring host can set it.
 */
export const cookieName = "__Host-sid";

/**
 * A page of the same site gets its cookie with Lax. On another site (github.io is on the Public Suffix List) only None is
 * sent, and Partitioned keeps it working where third-party cookies are blocked: one jar for each page's site (CHIPS).
 * No Max-Age: it goes with the browser, and the session's own ends hold anyway.
 */
const attributes: Readonly<Record<AuthConfig["pageSite"], string>> = {
  "same-site": "Path=/; Secure; HttpOnly; SameSite=Lax",
  "cross-site": "Path=/; Secure; HttpOnly; SameSite=None; Partitioned",
};

export const sessionCookie = (id: string, pageSite: AuthConfig["pageSite"]): string =>
  `${cookieName}=${id}; ${attributes[pageSite]}`;

/** Takes the cookie back: a browser removes a partitioned one only when told with the same attributes. */
export const clearedCookie = (pageSite: AuthConfig["pageSite"]): string =>
  `${cookieName}=; ${attributes[pageSite]}; Max-Age=0`;

const idPattern = /^[A-Za-z0-9_-]{43}$/;
/** A partitioned and an unpartitioned one of the same name may come together. */
const maxIds = 2;

/** The session ids that a request carries; anything that does not look like one is left out. */
export function sessionIds(header: string | undefined): readonly string[] {
  return (header ?? "")
    .split(";")
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(`${cookieName}=`))
    .map((pair) => pair.slice(cookieName.length + 1))
    .filter((id) => idPattern.test(id))
    .slice(0, maxIds);
}
