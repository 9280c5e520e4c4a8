/** The routes of personal API tokens. */
import type { RequestHandler } from "express";
import { Problem } from "../../platform/problems.ts";
import type { ApiToken } from "../stores/api-tokens.ts";
import type { AuthParts } from "../parts.ts";
import { traceOf } from "./login.ts";
import { hasScope, insufficientScope, requireKnown } from "../principal.ts";
import { newTokenSchema, parseBody, tokenQuerySchema } from "./schema.ts";
import { available } from "./unavailable.ts";

/** Tokens are made and revoked with a login only: a stolen token must not be able to make others. */
export const requireLogin: RequestHandler = (_request, response, next) => {
  if (requireKnown(response).credential.kind !== "token") return next();
  throw new Problem("login-needed", "API tokens are managed with a login, not with another token.");
};

const shown = ({ id, name, scopes, createdAt, expiresAt, lastUsedAt }: ApiToken): object => ({
  id,
  name,
  scopes,
  createdAt: createdAt.toISOString(),
  expiresAt: expiresAt.toISOString(),
  lastUsedAt: lastUsedAt?.toISOString() ?? null,
});

/** GET /tokens: the user's valid tokens, without their secrets. */
export function getTokens({ apiTokens }: AuthParts): RequestHandler {
  return async (_request, response) => {
    const { userId } = requireKnown(response);
    const tokens = await available(apiTokens.list(userId));
    response.json({ tokens: tokens.map(shown) });
  };
}

/** POST /tokens: a new token, which is shown only now. */
export function postToken(parts: AuthParts): RequestHandler {
  return async (request, response) => {
    const principal = requireKnown(response);
    const wanted = parseBody(newTokenSchema, request.body);
    const missing = wanted.scopes.find((scope) => !hasScope(principal, scope));
    if (missing) throw insufficientScope(missing);
    const created = await available(parts.apiTokens.create(principal.userId, wanted));
    if (!created) {
      throw new Problem("too-many-tokens", "You have as many tokens as one user may have. Revoke one first.");
    }
    const { id, scopes } = created.stored;
    const trace = traceOf(parts, request, response);
    await parts.audit.record({
      action: "token.create",
      outcome: "done",
      userId: principal.userId,
      ...trace,
      detail: { tokenId: id, scopes, days: wanted.days },
    });
    response.status(201).json({ ...shown(created.stored), token: created.token });
  };
}

/** DELETE /tokens?id=: the token is no longer valid on any replica, and its streams end. */
export function deleteToken(parts: AuthParts): RequestHandler {
  return async (request, response) => {
    const { userId } = requireKnown(response);
    const { id } = parseBody(tokenQuerySchema, request.query);
    const revoked = await available(parts.apiTokens.revoke(userId, id));
    // Also for a token that was revoked before: that request may have failed because the replicas could not be told.
    if (revoked) await available(parts.revocations.tell({ kind: "token", userId, id }));
    if (!revoked?.wasGood) throw new Problem("token-unknown", "You have no such token.");
    const trace = traceOf(parts, request, response);
    await parts.audit.record({
      action: "token.revoke",
      outcome: "done",
      userId,
      ...trace,
      detail: { tokenId: id },
    });
    response.status(204).end();
  };
}
