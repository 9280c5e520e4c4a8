/** What authentication is made of, and what its routes work with. */
import type { AuthConfig } from "../platform/env/config.ts";
import type { RateLimit } from "../platform/rate-limit.ts";
import type { RedisRunner } from "../platform/redis.ts";
import type { AccessTokens } from "./credentials/access-tokens.ts";
import type { ApiTokens } from "./stores/api-tokens.ts";
import type { BoundTokens } from "./credentials/bound-tokens.ts";
import type { RefreshTokens } from "./stores/refresh-tokens.ts";
import type { IdentifyParts } from "./http/identify.ts";
import type { LoginLimits } from "./login-limits.ts";
import type { Audit } from "./stores/audit.ts";
import type { Revocations } from "./stores/revocations.ts";
import type { Sessions, SessionStore } from "./stores/sessions.ts";
import type { Users } from "./stores/users.ts";

/** What differs between replicas that share a Redis, and one process alone. */
export interface AuthStores {
  readonly sessions: SessionStore;
  readonly revocations: Revocations;
  /** For the limits; left out, this process counts alone. */
  readonly redis: RedisRunner | undefined;
}

/** What the routes of /api/auth work with. */
export interface AuthParts {
  readonly config: AuthConfig;
  readonly users: Users;
  readonly sessions: Sessions;
  readonly csrf: BoundTokens;
  readonly accessTokens: AccessTokens;
  readonly refreshTokens: RefreshTokens;
  readonly apiTokens: ApiTokens;
  readonly revocations: Revocations;
  readonly audit: Audit;
  readonly logins: LoginLimits;
  /** The limit on right logins, by user. */
  readonly rightLogins: RateLimit;
  /** The limit on refreshes, by address. */
  readonly refreshes: RateLimit;
  readonly identify: IdentifyParts;
  readonly corsOrigins: readonly string[];
  readonly trustProxyHops: number;
}
