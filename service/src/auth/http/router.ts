/** The routes of /api/auth. */
import { Router, type RequestHandler } from "express";
import { jsonBody } from "../../platform/body.ts";
import { methodNotAllowed, Problem } from "../../platform/problems.ts";
import type { AuthParts } from "../parts.ts";
import { identify, type FoundSession } from "./identify.ts";
import { iso, postLogin, postLogout, postRefresh } from "./login.ts";
import { isKnown, principalOf, unauthenticated } from "../principal.ts";
import { deleteToken, getTokens, postToken, requireLogin } from "./tokens-route.ts";

/** In bytes: far above every valid body, far below what would be a burden. */
const BODY_LIMIT = 8192;

/** With authentication turned off, `check` says so, and every other route answers 404. */
export function authRouter(parts: AuthParts): Router {
  const { mode } = parts.config;
  const router = Router();
  const who = identify(parts.identify, { renews: true });
  const look = identify(parts.identify, { renews: false });
  const needs = (...modes: string[]): RequestHandler => needsMode(modes.includes(mode));
  const on = needs("session", "token", "both");
  const body = jsonBody(BODY_LIMIT);

  router.use((_request, response, next) => {
    response.set("Cache-Control", "no-store");
    next();
  });
  router
    .route("/check")
    .get(look, getCheck(parts))
    .all(methodNotAllowed("GET", "HEAD", "OPTIONS"));
  router
    .route("/csrf")
    .get(needs("session", "both"), who, getCsrf(parts))
    .all(methodNotAllowed("GET", "HEAD", "OPTIONS"));
  router.route("/login").post(on, body, postLogin(parts)).all(methodNotAllowed("POST", "OPTIONS"));
  router.route("/logout").post(on, look, postLogout(parts)).all(methodNotAllowed("POST", "OPTIONS"));
  router
    .route("/refresh")
    .post(needs("token", "both"), body, postRefresh(parts))
    .all(methodNotAllowed("POST", "OPTIONS"));
  const tokens = needs("token", "both");
  router
    .route("/tokens")
    .get(tokens, who, requireLogin, getTokens(parts))
    .post(tokens, who, requireLogin, body, postToken(parts))
    .delete(tokens, who, requireLogin, deleteToken(parts))
    .all(methodNotAllowed("GET", "HEAD", "POST", "DELETE", "OPTIONS"));
  return router;
}

function needsMode(isOn: boolean): RequestHandler {
  return (_request, _response, next) => {
    if (isOn) return next();
    next(new Problem("auth-off", "This stack's authentication mode does not have this."));
  };
}

/** GET /check answers 200 to everybody, and never renews the session, because pages ask by themselves. */
function getCheck({ config, sessions }: AuthParts): RequestHandler {
  return (_request, response) => {
    const principal = principalOf(response);
    if (!isKnown(principal)) return void response.json({ authenticated: false, mode: config.mode });
    const { userId, name, scopes, credential, expiresAt } = principal;
    const found = response.locals.session as FoundSession | undefined;
    response.json({
      authenticated: true,
      mode: config.mode,
      via: credential.kind,
      user: { id: userId, name },
      scopes,
      expiresAt: iso(expiresAt),
      idleExpiresAt: found && iso(sessions.endOf(found.session)),
    });
  };
}

/** GET /csrf: a token for this session, in the body, where only pages of ours can read it. */
function getCsrf({ csrf }: AuthParts): RequestHandler {
  return (_request, response) => {
    const found = response.locals.session as FoundSession | undefined;
    if (!found) throw unauthenticated();
    response.json({ csrfToken: csrf.create(found.id) });
  };
}
