/** The cookies of a session and of a device that a user has logged in from. */
import type { AuthConfig } from "../../platform/env/config.ts";

/**
 * With this prefix the browser insists on Secure, on Path=/ and on no Domain (RFC 6265bis 4.1.3.2), so that no
 * neighbouring host can set the cookie.
 */
export const COOKIE_NAME = "__Host-sid";
export const DEVICE_COOKIE_NAME = "__Host-device";

/** As long as browsers keep a cookie at most is 400 days (RFC 6265bis 5.5); every login begins the year anew. */
const DEVICE_SECONDS = 365 * 86_400;

/**
 * A page of the same site gets its cookie with Lax. To a page of another site (github.io is on the Public Suffix List)
 * browsers send only a cookie with None, and Partitioned keeps that working where third-party cookies are blocked (CHIPS).
 * The session's has no Max-Age: it ends with the browser, and the session ends at its own time anyway.
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

/** It stays when the user logs out: it proves nothing but that somebody logged in from here before. */
export const deviceCookie = (token: string, pageSite: AuthConfig["pageSite"]): string =>
  `${DEVICE_COOKIE_NAME}=${token}; ${attributes[pageSite]}; Max-Age=${DEVICE_SECONDS}`;

const idPattern = /^[A-Za-z0-9_-]{43}$/;
/** A partitioned and an unpartitioned cookie of the same name may come together. */
const MAX_VALUES = 2;

/** The session ids that a request carries, without anything that does not look like one. */
export const sessionIds = (header: string | undefined): readonly string[] =>
  valuesOf(header, COOKIE_NAME)
    .filter((id) => idPattern.test(id))
    .slice(0, MAX_VALUES);

/** The device tokens that a request carries; nobody has checked them yet. */
export const deviceTokens = (header: string | undefined): readonly string[] =>
  valuesOf(header, DEVICE_COOKIE_NAME).slice(0, MAX_VALUES);

const valuesOf = (header: string | undefined, name: string): string[] =>
  (header ?? "")
    .split(";")
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(`${name}=`))
    .map((pair) => pair.slice(name.length + 1));
