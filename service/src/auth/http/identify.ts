/** Finds out who sends a request. */
import type { Request, RequestHandler, Response } from "express";
import { clientAddress } from "../../platform/address.ts";
import { Problem } from "../../platform/problems.ts";
import { ANSWER_MS } from "../../platform/postgres.ts";
import type { RateLimit } from "../../platform/rate-limit.ts";
import { Semaphore } from "../../platform/semaphore.ts";
import type { AccessTokens } from "../credentials/access-tokens.ts";
import { apiTokenPattern, type ApiTokens } from "../stores/api-tokens.ts";
import type { AuthMode } from "../../platform/env/schema.ts";
import { sessionIds } from "../credentials/cookies.ts";
import type { BoundTokens } from "../credentials/bound-tokens.ts";
import { checkOrigin, isSafeMethod } from "./origin.ts";
import { invalidToken, type KnownPrincipal, type Principal } from "../principal.ts";
import type { Revocations } from "../stores/revocations.ts";
import { sessionKeyOf } from "../credentials/secrets.ts";
import type { Session, Sessions } from "../stores/sessions.ts";
import { available, AuthUnavailable } from "./unavailable.ts";

export interface IdentifyParts {
  readonly mode: AuthMode;
  readonly sessions: Sessions;
  readonly csrf: BoundTokens;
  readonly accessTokens: AccessTokens;
  readonly apiTokens: ApiTokens;
  readonly revocations: Revocations;
  /** The limit on API tokens that do not exist, by address. */
  readonly badTokens: RateLimit;
  /** Who may ask whose API token one is. */
  readonly tokenTurns: Semaphore;
  readonly corsOrigins: readonly string[];
  readonly trustProxyHops: number;
}

export interface IdentifyOptions {
  /** Whether the request counts as use of the session. What a page does by itself does not. */
  readonly renews: boolean;
  /** The longest that it waits to learn whose API token it has, in ms. */
  readonly patienceMs?: number;
  /** While a store is away the request goes on as anonymous, with `authUnavailable` in `response.locals`. */
  readonly isLenient?: boolean;
  /** The same when the address guessed too many tokens: a native EventSource never comes back from 429. */
  readonly isForStream?: boolean;
}

/** The session that a request belongs to, with the secret id from the cookie. */
export interface FoundSession {
  readonly id: string;
  readonly key: string;
  readonly session: Session;
}

/**
 * Puts who sends the request into `response.locals.principal`. An Authorization header decides alone, and a cookie beside
 * it is ignored, so such a request needs no CSRF token. A bad header is refused with 401, a bad cookie makes the request
 * anonymous. An unsafe request with a session needs an origin of ours and the session's CSRF token.
 */
export function identify(parts: IdentifyParts, options: IdentifyOptions): RequestHandler {
  if (parts.mode === "none") return (_request, _response, next) => next();
  return async (request, response, next) => {
    try {
      response.locals.principal = await available(principalFor(parts, options, request, response));
    } catch (error) {
      const isUnclear =
        (options.isLenient && error instanceof AuthUnavailable) ||
        (options.isForStream && error instanceof Problem && error.status === 429);
      if (!isUnclear) throw error;
      response.locals.authUnavailable = true;
    }
    // The client left meanwhile. What comes next would wait for a "close" that has been, and hold what it takes.
    if (!response.destroyed) next();
  };
}

async function principalFor(
  parts: IdentifyParts,
  { renews, patienceMs = ANSWER_MS }: IdentifyOptions,
  request: Request,
  response: Response,
): Promise<Principal> {
  const authorization = request.get("authorization");
  if (authorization !== undefined) return bearer(parts, authorization, patienceMs, request, response);
  if (parts.mode === "token") return {};
  const found = await findSession(parts.sessions, request);
  if (!found) return {};
  response.locals.session = found;
  if (!isSafeMethod(request.method)) checkCsrf(parts, found, request, response);
  const session = renews ? await parts.sessions.use(found.key, found.session) : found.session;
  return {
    userId: session.userId,
    name: session.name,
    scopes: session.scopes,
    credential: { kind: "session", id: found.key },
    expiresAt: parts.sessions.lastEndOf(session),
  };
}

export async function findSession(sessions: Sessions, request: Request): Promise<FoundSession | undefined> {
  for (const id of sessionIds(request.get("cookie"))) {
    const key = sessionKeyOf(id);
    const session = await sessions.find(key);
    if (session) return { id, key, session };
  }
  return undefined;
}

async function bearer(
  parts: IdentifyParts,
  authorization: string,
  patienceMs: number,
  request: Request,
  response: Response,
): Promise<KnownPrincipal> {
  const token = /^Bearer +([A-Za-z0-9._~+/-]{1,2048}=*)$/i.exec(authorization)?.[1];
  if (token === undefined || parts.mode === "session") throw invalidToken();
  if (apiTokenPattern.test(token)) {
    const address = clientAddress(request, parts.trustProxyHops);
    const principal = await apiToken(parts, token, patienceMs, address, response);
    if (!principal) throw invalidToken();
    return principal;
  }
  const principal = await parts.accessTokens.read(token);
  if (principal?.credential.kind !== "access") throw invalidToken();
  const { id, issuedAt } = principal.credential;
  if (await parts.revocations.isRevoked(principal.userId, id, issuedAt)) throw invalidToken();
  return principal;
}

/** How many tokens are looked up at once, beside what else uses the pool, and how many wait for that. */
export const newTokenTurns = (): Semaphore => new Semaphore(4, 1000);

/**
 * Each invented token costs a question to PostgreSQL, so the number of them is limited for each address. Only a few are
 * looked up at once, and the limit is read again in their turn: those that came together must not run ahead of the count.
 * The wait for a turn and the question have one end.
 */
async function apiToken(
  { apiTokens, badTokens, tokenTurns }: IdentifyParts,
  token: string,
  patienceMs: number,
  address: string,
  response: Response,
): Promise<KnownPrincipal | undefined> {
  const before = apiTokens.recall(token);
  if (before !== undefined) return before === "nobody" ? undefined : before;
  badTokens.check(address);
  const end = performance.now() + patienceMs;
  if (!(await tokenTurns.acquire(patienceMs))) throw new AuthUnavailable("too many API tokens are looked up");
  try {
    // Many requests with one token come together when a program starts: whose it is was found out meanwhile.
    const known = apiTokens.recall(token);
    if (known !== undefined) return known === "nobody" ? undefined : known;
    badTokens.check(address);
    const principal = await apiTokens.find(token, end - performance.now());
    if (!principal) await badTokens.take(address, response);
    return principal;
  } finally {
    tokenTurns.release();
  }
}

function checkCsrf(
  { csrf, corsOrigins }: IdentifyParts,
  { id }: FoundSession,
  request: Request,
  response: Response,
): void {
  checkOrigin(request, response, corsOrigins);
  if (csrf.isValid(id, request.get("x-csrf-token"))) return;
  throw new Problem(
    "csrf-token-invalid",
    "X-CSRF-Token is missing or does not belong to this session. GET /api/auth/csrf has one.",
  );
}
