import type { Reader } from "../config.ts";

export const authModes = ["none", "session", "token", "both"] as const;
export type AuthMode = (typeof authModes)[number];

export const pageSites = ["same-site", "cross-site"] as const;

export interface AuthConfig {
  /** none: everything is open; session: cookies; token: bearer tokens; both. */
  readonly mode: AuthMode;
  /** What signs access tokens and CSRF tokens; the same on all replicas. Undefined in mode none only. */
  readonly secret: string | undefined;
  /** Where the page lives as the API sees it: decides SameSite of the cookie. */
  readonly pageSite: (typeof pageSites)[number];
  /** A session that nobody used for this long, ms, ends. */
  readonly sessionIdleMs: number;
  /** A session ends after this, ms, however much it is used. */
  readonly sessionMaxMs: number;
  readonly accessTokenMs: number;
  /** A family of refresh tokens ends after this, ms, however often it is refreshed. */
  readonly refreshTokenMs: number;
  /** Open streams of one user on this process. */
  readonly maxStreamsPerUser: number;
  /** Credentials of open streams are looked at again after a random 0.5 to 1.5 of this, ms. */
  readonly sweepMs: number;
  readonly limits: LimitsConfig;
  readonly audit: AuditConfig;
}

/** Each counts over a window of its own, for all replicas together; 0 turns one off. */
export interface LimitsConfig {
  /** Requests of one address a minute; streams have limits of their own. */
  readonly requestsPerMinute: number;
  /** Failed logins of one address, and of one user name, in `loginWindowSeconds`. */
  readonly loginsPerAddress: number;
  readonly loginsPerUser: number;
  readonly loginWindowSeconds: number;
  /** Refreshes of one address a minute. */
  readonly refreshesPerMinute: number;
  /** API tokens that do not exist, of one address at one replica, a minute. */
  readonly badTokensPerMinute: number;
}

export interface AuditConfig {
  readonly days: number;
  /** Most rows kept, whatever their age. */
  readonly maxRows: number;
  /** Old rows and ended tokens are removed after a random 0.5 to 1.5 of this, ms. */
  readonly cleanupMs: number;
}

/** 32 characters of a generated password are beyond guessing; fewer may be a word that somebody made up. */
const minSecretLength = 32;

export function readAuthConfig(read: Reader): AuthConfig {
  const mode = read.choice("OMNIAI_AUTH_MODE", "none", authModes);
  const secret = read.secret("OMNIAI_AUTH_SECRET_FILE");
  if (mode !== "none" && (secret?.length ?? 0) < minSecretLength) {
    read.problems.push(
      `OMNIAI_AUTH_SECRET_FILE: the secret (not shown) is too short or not there; with OMNIAI_AUTH_MODE "${mode}" ` +
        `allowed is a readable file with at least ${minSecretLength} characters`,
    );
  }
  const sessionIdleMs = read.seconds("OMNIAI_SESSION_IDLE_SECONDS", 3600, 1, 30 * 86_400);
  const sessionMaxMs = read.seconds("OMNIAI_SESSION_MAX_SECONDS", 12 * 3600, 1, 90 * 86_400);
  if (sessionIdleMs > sessionMaxMs) {
    read.problems.push(
      `OMNIAI_SESSION_IDLE_SECONDS: ${sessionIdleMs / 1000} is not allowed; allowed is at most OMNIAI_SESSION_MAX_SECONDS`,
    );
  }
  return {
    mode,
    secret,
    pageSite: read.choice("OMNIAI_PAGE_SITE", "cross-site", pageSites),
    sessionIdleMs,
    sessionMaxMs,
    accessTokenMs: read.seconds("OMNIAI_ACCESS_SECONDS", 600, 1, 3600),
    refreshTokenMs: read.seconds("OMNIAI_REFRESH_SECONDS", 30 * 86_400, 1, 365 * 86_400),
    maxStreamsPerUser: read.whole("OMNIAI_MAX_STREAMS_PER_USER", 50, 1, 1_000_000),
    sweepMs: read.seconds("OMNIAI_AUTH_SWEEP_SECONDS", 30, 0.1, 600),
    limits: {
      requestsPerMinute: read.whole("OMNIAI_LIMIT_REQUESTS_PER_MINUTE", 30_000, 0, 10_000_000),
      loginsPerAddress: read.whole("OMNIAI_LIMIT_LOGINS_PER_ADDRESS", 50, 0, 1_000_000),
      loginsPerUser: read.whole("OMNIAI_LIMIT_LOGINS_PER_USER", 10, 0, 1_000_000),
      loginWindowSeconds: read.whole("OMNIAI_LIMIT_LOGIN_WINDOW_SECONDS", 900, 1, 86_400),
      badTokensPerMinute: read.whole("OMNIAI_LIMIT_BAD_TOKENS_PER_MINUTE", 120, 0, 1_000_000),
      refreshesPerMinute: read.whole("OMNIAI_LIMIT_REFRESHES_PER_MINUTE", 120, 0, 1_000_000),
    },
    audit: {
      days: read.whole("OMNIAI_AUDIT_DAYS", 90, 1, 3650),
      maxRows: read.whole("OMNIAI_AUDIT_MAX_ROWS", 1_000_000, 100, 100_000_000),
      cleanupMs: read.seconds("OMNIAI_AUDIT_CLEANUP_SECONDS", 600, 0.1, 86_400),
    },
  };
}
