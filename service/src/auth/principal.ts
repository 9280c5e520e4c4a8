/** Who sends a request, and what they may do. */
import type { Response } from "express";
import { Problem } from "../platform/problems.ts";

/** What a credential may be used for. A user has some of them, a personal API token some of its user's. */
export const SCOPES = ["events:read", "events:write", "diag:read"] as const;
export type Scope = (typeof SCOPES)[number];

/** What a new user may do. diag:read shows addresses, statements and what others do: for administrators. */
export const DEFAULT_SCOPES: readonly Scope[] = ["events:read", "events:write"];

/** The credential of a request, in a form that is no secret. A revocation finds its streams by it. */
export type Credential =
  | { readonly kind: "session"; readonly id: string }
  | { readonly kind: "access"; readonly id: string; readonly issuedAt: number }
  | { readonly kind: "token"; readonly id: string };

/** Who sends a request, as `identify` found out. With authentication turned off everybody is anonymous. */
export interface Principal {
  /** Undefined for the anonymous. */
  readonly userId?: string;
  readonly name?: string;
  readonly scopes?: readonly Scope[];
  readonly credential?: Credential;
  /** When the credential ends at the latest, in ms since 1970. */
  readonly expiresAt?: number;
}

/** A principal that is not anonymous. */
export type KnownPrincipal = Required<Principal>;

export function principalOf(response: Response): Principal {
  return (response.locals.principal as Principal | undefined) ?? {};
}

export function hasScope(principal: Principal, scope: Scope): boolean {
  return principal.scopes?.includes(scope) ?? false;
}

export function isKnown(principal: Principal): principal is KnownPrincipal {
  return principal.userId !== undefined;
}

/** A Bearer challenge (RFC 6750 3) for clients that could send a token. */
const challenge = { "WWW-Authenticate": 'Bearer realm="omniai"' };

export const unauthenticated = (): Problem =>
  new Problem("unauthenticated", "Log in first: this is only for users.", { headers: challenge });

export const invalidToken = (): Problem =>
  new Problem("invalid-token", "The token is not valid, or no longer valid.", {
    headers: { "WWW-Authenticate": 'Bearer realm="omniai", error="invalid_token"' },
  });

export const insufficientScope = (scope: Scope): Problem =>
  new Problem("insufficient-scope", `This needs the scope ${scope}.`);

/** @throws Problem 401 for the anonymous. */
export function requireKnown(response: Response): KnownPrincipal {
  const principal = principalOf(response);
  if (!isKnown(principal)) throw unauthenticated();
  return principal;
}
