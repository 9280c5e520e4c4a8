/** /api/auth in openapi.json. */
import { z } from "zod";
import { jsonAnswer, problem, retryAfter, type Operation } from "../../platform/operation.ts";
import {
  checkSchema,
  createdTokenSchema,
  csrfSchema,
  loggedInSchema,
  loginSchema,
  newTokenSchema,
  refreshSchema,
  tokenListSchema,
  tokenQuerySchema,
  tokensSchema,
} from "./schema.ts";

const common = { ports: ["public"], tag: "auth" } as const;
const notHere = problem("This stack's authentication mode does not have this.");
const away = problem("Who the client is cannot be checked at the moment.", retryAfter);
const noLogin = problem("Nobody is logged in, or the token is not valid.");
const csrf = problem("The origin or the CSRF token is wrong, or the credential may not do this.");
const csrfHeader = z.object({
  "X-CSRF-Token": z.string().optional().describe("With a session: from the login or /api/auth/csrf."),
});
const body400 = problem("The request is not valid.");
const body408 = problem("The body took too long to arrive.");
const body413 = problem("The body is longer than allowed.");
const body415 = problem("The body is not JSON, or not in an encoding that is understood.");
const setCookie = {
  "Set-Cookie": "The session's id, or its removal; after a login also that this device is known.",
};

export const AUTH_OPERATIONS: readonly Operation[] = [
  {
    ...common,
    method: "get",
    path: "/api/auth/check",
    login: "optional",
    summary: "Who is logged in",
    description:
      "200 whether or not somebody is logged in. It does not renew the session. An invalid bearer token gets 401.",
    responses: {
      200: jsonAnswer("Who is logged in, or that nobody is.", checkSchema),
      401: noLogin,
      503: away,
    },
  },
  {
    ...common,
    method: "get",
    path: "/api/auth/csrf",
    login: "required",
    summary: "A CSRF token for this session",
    responses: { 200: jsonAnswer("The token.", csrfSchema), 401: noLogin, 404: notHere, 503: away },
  },
  {
    ...common,
    method: "post",
    path: "/api/auth/login",
    summary: "Log in",
    description:
      "A session needs Origin (one of the API's pages) or Sec-Fetch-Site: same-origin; tokens need neither. " +
      "An unknown user, a wrong password and a disabled user get the same answer. Wrong passwords are counted, and for a " +
      "device from which this user has logged in before (its cookie says so) by themselves. A user has at most 50 sessions " +
      "and 50 logins with tokens: a new one ends the one of its kind that was not used for longest.",
    body: { schema: loginSchema },
    responses: {
      200: { ...jsonAnswer("Logged in.", loggedInSchema), headers: setCookie },
      400: body400,
      401: problem("The user name or the password is wrong."),
      403: problem("The origin is not one of the API's pages."),
      404: notHere,
      408: body408,
      413: body413,
      415: body415,
      429: problem(
        "Too many wrong passwords of this address or user, or too many right ones of this user in a minute: there is a " +
          "pause now.",
        retryAfter,
      ),
      503: away,
    },
  },
  {
    ...common,
    method: "post",
    path: "/api/auth/logout",
    login: "optional",
    summary: "End the login that this request came with",
    description: "Its streams end within a second, on every replica. Without a login it does nothing.",
    headers: csrfHeader,
    responses: {
      204: { description: "The login has ended, or there was none.", headers: setCookie },
      401: noLogin,
      403: csrf,
      404: notHere,
      503: away,
    },
  },
  {
    ...common,
    method: "post",
    path: "/api/auth/refresh",
    summary: "The next pair of tokens",
    description:
      "A refresh token is used once. When no answer came, the same token can be sent again for 30 seconds after its " +
      "first use, and gives the newest refresh token of its login. Using it later ends the whole login.",
    body: { schema: refreshSchema },
    responses: {
      200: jsonAnswer("The next pair.", tokensSchema),
      400: body400,
      401: problem("The refresh token is not valid."),
      404: notHere,
      408: body408,
      413: body413,
      415: body415,
      429: problem("Too many refreshes of this address.", retryAfter),
      503: away,
    },
  },
  {
    ...common,
    method: "get",
    path: "/api/auth/tokens",
    login: "required",
    summary: "The user's API tokens",
    responses: {
      200: jsonAnswer("The valid tokens, without their secrets.", tokenListSchema),
      401: noLogin,
      403: csrf,
      404: notHere,
      503: away,
    },
  },
  {
    ...common,
    method: "post",
    path: "/api/auth/tokens",
    login: "required",
    summary: "Make an API token",
    headers: csrfHeader,
    body: { schema: newTokenSchema },
    responses: {
      201: jsonAnswer("The token, which is shown only now.", createdTokenSchema),
      400: body400,
      401: noLogin,
      403: csrf,
      404: notHere,
      409: problem("The user has as many as allowed."),
      408: body408,
      413: body413,
      415: body415,
      503: away,
    },
  },
  {
    ...common,
    method: "delete",
    path: "/api/auth/tokens",
    login: "required",
    summary: "Revoke an API token",
    headers: csrfHeader,
    query: tokenQuerySchema,
    responses: {
      204: { description: "The token is no longer valid on any replica." },
      400: body400,
      401: noLogin,
      403: csrf,
      404: problem("There is no such token, or this mode has no tokens."),
      503: away,
    },
  },
];
