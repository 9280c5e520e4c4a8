/** Access tokens: short-lived JWTs. */
import { randomUUID } from "node:crypto";
import { jwtVerify, SignJWT } from "jose";
import { z } from "zod";
import { SCOPES, type KnownPrincipal, type Scope } from "../principal.ts";
import { deriveKey } from "./secrets.ts";

const AUDIENCE = "omniai";
/** The type of RFC 9068, so that no other JWT is taken for an access token. */
const TYPE = "at+jwt";

const claimsSchema = z.object({
  sub: z.uuid(),
  /** The family of the refresh token that was given out with it. */
  sid: z.uuid(),
  name: z.string(),
  scope: z.string(),
  iat: z.number(),
  exp: z.number(),
});

/** Access tokens are checked without asking the database. HS256 is enough, because the signer also verifies. */
export class AccessTokens {
  readonly #key: Buffer;
  readonly #issuer: string;
  readonly #lifetimeMs: number;

  constructor(secret: string, stack: string, lifetimeMs: number) {
    this.#key = deriveKey(secret, "access tokens");
    this.#issuer = `urn:omniai:${stack}`;
    this.#lifetimeMs = lifetimeMs;
  }

  get lifetimeMs(): number {
    return this.#lifetimeMs;
  }

  /**
   * @param issuedAt when the right to it was looked up, in ms since 1970. Whatever is revoked from then on concerns the
   *   token too, however long it took to make it.
   */
  create(
    user: { id: string; name: string; scopes: readonly Scope[] },
    familyId: string,
    issuedAt: number,
  ): Promise<string> {
    const now = issuedAt / 1000;
    return (
      new SignJWT({ sid: familyId, name: user.name, scope: user.scopes.join(" ") })
        .setProtectedHeader({ alg: "HS256", typ: TYPE })
        .setIssuer(this.#issuer)
        .setAudience(AUDIENCE)
        .setSubject(user.id)
        .setJti(randomUUID())
        // With a fraction, which a NumericDate may have, to tell what was revoked earlier in the same second.
        .setIssuedAt(now)
        .setExpirationTime(now + this.#lifetimeMs / 1000)
        .sign(this.#key)
    );
  }

  /** Undefined for everything but a token of ours that has not ended. */
  async read(token: string): Promise<KnownPrincipal | undefined> {
    try {
      const { payload } = await jwtVerify(token, this.#key, {
        algorithms: ["HS256"],
        typ: TYPE,
        issuer: this.#issuer,
        audience: AUDIENCE,
      });
      const { sub, sid, name, scope, iat, exp } = claimsSchema.parse(payload);
      // The library compares whole seconds only.
      if (exp * 1000 <= Date.now()) return undefined;
      return {
        userId: sub,
        name,
        scopes: SCOPES.filter((known) => scope.split(" ").includes(known)),
        credential: { kind: "access", id: sid, issuedAt: iat * 1000 },
        expiresAt: exp * 1000,
      };
    } catch {
      return undefined;
    }
  }
}
