/** The routes that begin, renew and end a login. */
import type { Request, RequestHandler, Response } from "express";
import { clientAddress } from "../../platform/address.ts";
import { Problem } from "../../platform/problems.ts";
import { namesOf } from "../../platform/trace.ts";
import type { AuditEntry } from "../stores/audit.ts";
import type { AuthParts } from "../parts.ts";
import {
  clearedCookie,
  deviceCookie,
  deviceTokens,
  sessionCookie,
  sessionIds,
} from "../credentials/cookies.ts";
import { checkOrigin } from "./origin.ts";
import { isPassword, loginQueue } from "../credentials/passwords.ts";
import { principalOf, type KnownPrincipal, isKnown } from "../principal.ts";
import type { Refreshed } from "../stores/refresh-tokens.ts";
import type { Revoked } from "../stores/revocations.ts";
import { loginSchema, parseBody, refreshSchema } from "./schema.ts";
import { sessionKeyOf } from "../credentials/secrets.ts";
import { available } from "./unavailable.ts";
import { normalName, type User, type UserWithHash } from "../stores/users.ts";

/** One answer for an unknown user, a wrong password and a disabled user. */
const wrongCredentials = (): Problem =>
  new Problem("wrong-credentials", "The user name or the password is wrong.");

type Kind = "session" | "token";

/** What the audit log notes of a request. */
export function traceOf(parts: AuthParts, request: Request, response: Response) {
  const { requestId, trace_id: traceId } = namesOf(response);
  return { address: clientAddress(request, parts.trustProxyHops), requestId, traceId };
}

/** The kind of login that is asked for. @throws Problem 400 for one that this stack does not have. */
function kindOf({ config: { mode } }: AuthParts, asked: Kind | undefined): Kind {
  const kind = asked ?? (mode === "token" ? "token" : "session");
  if (mode === "both" || mode === kind) return kind;
  throw new Problem("login-kind-off", `This stack has no logins of the kind ${kind}.`);
}

/** POST /login: a session with its cookie, or a pair of tokens. */
export function postLogin(parts: AuthParts): RequestHandler {
  const { audit } = parts;
  return async (request, response) => {
    // Before the body is read: another site's page must not log its visitor in as somebody else (login CSRF).
    const isFromBrowser = request.get("origin") ?? request.get("sec-fetch-site");
    if (isFromBrowser !== undefined) checkOrigin(request, response, parts.corsOrigins);
    const { username, password, kind: asked } = parseBody(loginSchema, request.body);
    const kind = kindOf(parts, asked);
    if (kind === "session" && isFromBrowser === undefined) checkOrigin(request, response, parts.corsOrigins);

    const trace = traceOf(parts, request, response);
    const devices = deviceTokens(request.get("cookie"));
    const attempt = parts.logins.attempt({ username, address: trace.address, devices });
    // Before anything is asked of PostgreSQL, and again in its turn: what waited before it may have been wrong.
    await attempt.check();
    const user = await available(parts.users.findByName(username));
    const origin = { address: trace.address, name: normalName(username), device: attempt.device };
    const refusal = await loginQueue.run(origin, async () => {
      await attempt.check();
      // Whoever has had too many right ones gets no further, so no password has to be checked for that.
      if (user) parts.rightLogins.check(user.id);
      const isRight = await isPassword(password, user?.passwordHash);
      const reason = refusalOf(user, isRight);
      if (reason !== undefined) await attempt.fail();
      return reason;
    });
    if (!user || refusal !== undefined) {
      await audit.record({
        action: "login",
        outcome: "refused",
        userId: user?.id,
        ...trace,
        detail: { reason: refusal ?? "" },
      });
      throw wrongCredentials();
    }
    await attempt.succeed();
    await parts.rightLogins.take(user.id, response);
    const body = await available(
      kind === "session" ? newSession(parts, user, request, response) : newFamily(parts, user),
    );
    await audit.record({ action: "login", outcome: "done", userId: user.id, ...trace, detail: { kind } });
    response.append("Set-Cookie", deviceCookie(parts.logins.newDevice(username), parts.config.pageSite));
    response.json(body);
  };
}

/** The answer is the same for each of them; the audit log knows which it was. */
function refusalOf(user: User | undefined, isRight: boolean): string | undefined {
  if (!user) return "unknown user";
  if (!isRight) return "wrong password";
  return user.isDisabled ? "disabled" : undefined;
}

async function newSession(
  parts: AuthParts,
  user: UserWithHash,
  request: Request,
  response: Response,
): Promise<object> {
  const { sessions, csrf, config } = parts;
  const { id, session } = await sessions.create({ userId: user.id, name: user.name, scopes: user.scopes });
  // The user may have been disabled while the password was checked, when this session could not be ended yet.
  if (!(await parts.users.isUnchanged(user))) {
    await sessions.remove(sessionKeyOf(id));
    throw wrongCredentials();
  }
  // A login always goes on under a new id, so the session before it ends.
  for (const old of sessionIds(request.get("cookie"))) await endSession(parts, sessionKeyOf(old));
  response.append("Set-Cookie", sessionCookie(id, config.pageSite));
  return {
    user: { id: user.id, name: user.name },
    scopes: user.scopes,
    csrfToken: csrf.create(id),
    expiresAt: iso(sessions.lastEndOf(session)),
    idleExpiresAt: iso(sessions.endOf(session)),
  };
}

async function newFamily(parts: AuthParts, user: UserWithHash): Promise<object> {
  const issuedAt = Date.now();
  const { token, familyId, expiresAt } = await parts.refreshTokens.createFamily(user.id);
  if (!(await parts.users.isUnchanged(user))) {
    await parts.refreshTokens.revokeFamily(familyId);
    throw wrongCredentials();
  }
  return tokensBody(parts, { token, familyId, expiresAt, user }, issuedAt);
}

async function tokensBody(
  { accessTokens }: AuthParts,
  { token, familyId, expiresAt, user }: Pick<Refreshed, "token" | "familyId" | "expiresAt"> & { user: User },
  issuedAt: number,
): Promise<object> {
  return {
    tokenType: "Bearer",
    accessToken: await accessTokens.create(user, familyId, issuedAt),
    expiresIn: Math.round(accessTokens.lifetimeMs / 1000),
    refreshToken: token,
    refreshExpiresAt: expiresAt.toISOString(),
    user: { id: user.id, name: user.name },
    scopes: user.scopes,
  };
}

/** POST /refresh: the next access token and refresh token. */
export function postRefresh(parts: AuthParts): RequestHandler {
  const { refreshes, audit, refreshTokens, revocations } = parts;
  return async (request, response) => {
    const { refreshToken } = parseBody(refreshSchema, request.body);
    const trace = traceOf(parts, request, response);
    await refreshes.take(trace.address, response);
    const issuedAt = Date.now();
    const used = await available(refreshTokens.use(refreshToken)).catch(async (error: unknown) => {
      // An outage is not the client's doing.
      await refreshes.giveBack(trace.address);
      throw error;
    });
    if (used?.kind === "refreshed") {
      await audit.record({ action: "refresh", outcome: "done", userId: used.user.id, ...trace });
      return void response.json(await tokensBody(parts, used, issuedAt));
    }
    if (used) {
      const { userId, familyId } = used;
      await available(revocations.tell({ kind: "family", userId, id: familyId }));
    }
    const detail: AuditEntry["detail"] = used
      ? { reason: "reused", family: used.familyId }
      : { reason: "not valid" };
    await audit.record({ action: "refresh", outcome: "refused", userId: used?.userId, ...trace, detail });
    throw new Problem(
      "invalid-refresh-token",
      "The refresh token is not valid, or no longer valid. Log in again.",
    );
  };
}

/** POST /logout: ends the session or the token family that the request came with. A second logout is no error. */
export function postLogout(parts: AuthParts): RequestHandler {
  return async (request, response) => {
    const principal = principalOf(response);
    if (isKnown(principal)) {
      await available(endLogin(parts, principal));
      const { credential, userId } = principal;
      const trace = traceOf(parts, request, response);
      await parts.audit.record({
        action: "logout",
        outcome: "done",
        userId,
        ...trace,
        detail: { kind: credential.kind },
      });
    }
    if (parts.config.mode !== "token") response.append("Set-Cookie", clearedCookie(parts.config.pageSite));
    response.status(204).end();
  };
}

async function endLogin(
  parts: AuthParts,
  { userId, credential: { kind, id } }: KnownPrincipal,
): Promise<void> {
  if (kind === "session") return endSession(parts, id);
  // The token of a program ends when its owner revokes it, not when the program is done.
  if (kind === "token") throw new Problem("login-needed", "An API token is revoked at /api/auth/tokens.");
  await parts.refreshTokens.revokeFamily(id);
  await parts.revocations.tell({ kind: "family", userId, id });
}

/**
 * Announces the end before and after it removes the session. When the first announcement fails, the session still exists,
 * and the logout can be tried again. The second reaches a stream that was opened in between.
 */
async function endSession({ sessions, revocations }: AuthParts, key: string): Promise<void> {
  const session = await sessions.find(key);
  if (!session) return;
  const revoked: Revoked = { kind: "session", userId: session.userId, id: key };
  await revocations.tell(revoked);
  await sessions.remove(key);
  await revocations.tell(revoked);
}

export const iso = (ms: number): string => new Date(ms).toISOString();
