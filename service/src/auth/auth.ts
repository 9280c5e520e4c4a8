/** Authentication as one object: what other features use of it. */
import type { ErrorRequestHandler, Request, RequestHandler, Response, Router } from "express";
import type pg from "pg";
import type { Logger } from "../platform/logging.ts";
import { RateLimit } from "../platform/rate-limit.ts";
import { AccessTokens } from "./credentials/access-tokens.ts";
import { ApiTokens } from "./stores/api-tokens.ts";
import { Audit, type AuditEntry } from "./stores/audit.ts";
import type { AuthConfig, Config } from "../platform/env/config.ts";
import { BoundTokens } from "./credentials/bound-tokens.ts";
import { identify, newTokenTurns } from "./http/identify.ts";
import { LoginLimits } from "./login-limits.ts";
import { OwnedStreams } from "./owned-streams.ts";
import type { AuthParts, AuthStores } from "./parts.ts";
import { prepareNobody } from "./credentials/passwords.ts";
import type { Credential } from "./principal.ts";
import { auditRefusals } from "./http/refusals.ts";
import { RefreshTokens } from "./stores/refresh-tokens.ts";
import { authRouter } from "./http/router.ts";
import { traceOf } from "./http/login.ts";
import { Sessions } from "./stores/sessions.ts";
import { Users } from "./stores/users.ts";

/** How many requests of one key are counted before Redis is told. */
const REQUEST_BATCH = 20;

/** Where who asks hardly matters: what answers such requests asks PostgreSQL for 800 ms itself. */
const OPTIONAL_MS = 600;

/** One for each process. */
export class Auth {
  readonly config: AuthConfig;
  readonly streams: OwnedStreams;
  /** The limit on all requests but streams, by address. */
  readonly requests: RateLimit;
  readonly #parts: AuthParts;

  constructor(config: Config, pool: pg.Pool, stores: AuthStores, logger: Logger) {
    const { auth, corsOrigins } = config;
    const { trustProxyHops } = config.events;
    this.config = auth;
    // In mode none nothing is ever signed or read with it.
    const secret = auth.secret ?? "";
    const sessions = new Sessions(stores.sessions, auth);
    const csrf = new BoundTokens(secret, "csrf");
    const accessTokens = new AccessTokens(secret, config.stack, auth.accessTokenMs);
    const apiTokens = new ApiTokens(pool);
    const audit = new Audit(pool, config.replica, auth.audit, logger);
    const { revocations, redis } = stores;
    const limit = (name: string, points: number, windowSeconds: number, batch = 1): RateLimit =>
      new RateLimit({ name, points, windowSeconds, batch }, redis);
    const { limits } = auth;
    this.requests = limit("requests", limits.requestsPerMinute, 60, REQUEST_BATCH);
    this.#parts = {
      config: auth,
      users: new Users(pool),
      sessions,
      csrf,
      accessTokens,
      refreshTokens: new RefreshTokens(pool, secret, auth.refreshTokenMs, auth.accessTokenMs),
      apiTokens,
      revocations,
      audit,
      logins: new LoginLimits(limits, new BoundTokens(secret, "device"), redis),
      rightLogins: limit("right-logins", limits.rightLoginsPerMinute, 60),
      refreshes: limit("refreshes", limits.refreshesPerMinute, 60),
      identify: {
        mode: auth.mode,
        sessions,
        csrf,
        accessTokens,
        apiTokens,
        revocations,
        // Each process counts alone: what such tokens cost is its own pool.
        badTokens: new RateLimit(
          { name: "bad-tokens", points: limits.badTokensPerMinute, windowSeconds: 60, batch: 1 },
          undefined,
        ),
        tokenTurns: newTokenTurns(),
        corsOrigins,
        trustProxyHops,
      },
      corsOrigins,
      trustProxyHops,
    };
    const isGood = (userId: string, credential: Credential): Promise<boolean> =>
      this.#isGood(userId, credential);
    this.streams = new OwnedStreams(isGood, auth.sweepMs, () => apiTokens.forget());
  }

  /** Notes in the audit log what a user did; never rejects. */
  async record(
    request: Request,
    response: Response,
    entry: Pick<AuditEntry, "action" | "userId" | "detail">,
  ): Promise<void> {
    await this.#parts.audit.record({
      outcome: "done",
      ...traceOf(this.#parts, request, response),
      ...entry,
    });
  }

  get isOn(): boolean {
    return this.config.mode !== "none";
  }

  /** Finds out who sends the request, and counts it as use of the session. */
  get identify(): RequestHandler {
    return identify(this.#parts.identify, { renews: true });
  }

  /** The same for what pages do by themselves, which does not renew the session. */
  get look(): RequestHandler {
    return identify(this.#parts.identify, { renews: false });
  }

  /** The same, but the request goes on as anonymous while a store is away. */
  get identifyOptionally(): RequestHandler {
    return identify(this.#parts.identify, { renews: false, isLenient: true, patienceMs: OPTIONAL_MS });
  }

  /** The same for a stream, which is rejected within itself. */
  get identifyStream(): RequestHandler {
    return identify(this.#parts.identify, { renews: false, isLenient: true, isForStream: true });
  }

  router(): Router {
    return authRouter(this.#parts);
  }

  /** Belongs at the end of an app, before errors become answers. */
  get auditRefusals(): ErrorRequestHandler {
    return this.isOn ? auditRefusals(this.#parts) : (error, _request, _response, next) => next(error);
  }

  /** What has to be cleaned up every now and then. */
  get cleanups(): readonly { readonly what: string; removeSome(limit: number): Promise<number> }[] {
    const { audit, refreshTokens, apiTokens } = this.#parts;
    return [
      { what: "audit rows", removeSome: (limit) => audit.removeSome(limit) },
      { what: "token families", removeSome: (limit) => refreshTokens.removeSome(limit) },
      { what: "API tokens", removeSome: (limit) => apiTokens.removeSome(limit) },
    ];
  }

  start(): void {
    if (!this.isOn) return;
    this.#parts.revocations.start(this.streams);
    this.streams.start();
    void prepareNobody();
  }

  async stop(): Promise<void> {
    this.streams.stop();
    await this.#parts.revocations.stop();
  }

  async #isGood(userId: string, credential: Credential): Promise<boolean> {
    const { sessions, revocations, apiTokens } = this.#parts;
    const { kind, id } = credential;
    if (kind === "session") return (await sessions.find(id)) !== undefined;
    if (kind === "token") return apiTokens.isGood(id);
    return !(await revocations.isRevoked(userId, id, credential.issuedAt));
  }
}
