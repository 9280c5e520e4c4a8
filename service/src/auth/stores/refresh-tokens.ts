/** Refresh tokens and their families, in PostgreSQL. */
import type pg from "pg";
import type { Scope } from "../principal.ts";
import { hashToken, randomToken } from "../credentials/secrets.ts";
import { ask, toUser, USER_COLUMNS, type User } from "./users.ts";

const PREFIX = "omniai_rt_";
export const refreshTokenPattern = /^omniai_rt_[A-Za-z0-9_-]{43}$/;

export interface Refreshed {
  readonly kind: "refreshed";
  readonly token: string;
  readonly familyId: string;
  readonly expiresAt: Date;
  readonly user: User;
}
/** A token that was used before: its family is revoked by the time this is returned. */
export interface Reused {
  readonly kind: "reused";
  readonly familyId: string;
  readonly userId: string;
}

interface Row {
  readonly id: string;
  readonly name: string;
  readonly scopes: Scope[];
  readonly disabled: boolean;
  readonly family_id: string;
  readonly expires_at: Date;
}

/**
 * Each refresh token can be used once, and gives the next one of its family. A token that comes a second time was copied,
 * and nobody knows by whom, so the family ends (RFC 9700 4.14.2). That also hits a client that lost an answer and asks
 * again: it has to log in.
 */
export class RefreshTokens {
  readonly #pool: pg.Pool;
  readonly #lifetimeMs: number;

  constructor(pool: pg.Pool, lifetimeMs: number) {
    this.#pool = pool;
    this.#lifetimeMs = lifetimeMs;
  }

  async createFamily(userId: string): Promise<{ token: string; familyId: string; expiresAt: Date }> {
    const token = PREFIX + randomToken();
    const [row] = await ask<{ id: string; expires_at: Date }>(
      this.#pool,
      `WITH f AS (INSERT INTO token_families (user_id, expires_at)
                  VALUES ($1, now() + make_interval(secs => $2)) RETURNING id, expires_at),
         t AS (INSERT INTO refresh_tokens (hash, family_id) SELECT $3, id FROM f)
       SELECT id, expires_at FROM f`,
      [userId, this.#lifetimeMs / 1000, hashToken(token)],
    );
    if (!row) throw new Error("no row");
    return { token, familyId: row.id, expiresAt: row.expires_at };
  }

  /** Undefined for an unknown token, or when it, its family or its user has ended. */
  async use(token: string): Promise<Refreshed | Reused | undefined> {
    const next = PREFIX + randomToken();
    // In one statement, so that only one of several clients with the same token gets the next one.
    const [row] = await ask<Row>(
      this.#pool,
      `WITH t AS (UPDATE refresh_tokens t SET used_at = now() FROM token_families f, users u
           WHERE t.hash = $1 AND t.used_at IS NULL AND f.id = t.family_id AND u.id = f.user_id
             AND f.revoked_at IS NULL AND f.expires_at > now() AND u.disabled_at IS NULL
           RETURNING t.family_id, f.expires_at, f.user_id),
         n AS (INSERT INTO refresh_tokens (hash, family_id) SELECT $2, family_id FROM t)
       SELECT ${USER_COLUMNS}, t.family_id, t.expires_at FROM t JOIN users u ON u.id = t.user_id`,
      [hashToken(token), hashToken(next)],
    );
    if (row) {
      const { family_id: familyId, expires_at: expiresAt } = row;
      return { kind: "refreshed", token: next, familyId, expiresAt, user: toUser(row) };
    }
    // Also one that was revoked already: whoever asks again may do so because the replicas could not be told. For as long
    // as its access tokens may live; later there is nothing to tell, and not every copy that comes by is worth it.
    const [reused] = await ask<{ family_id: string; user_id: string }>(
      this.#pool,
      `UPDATE token_families f SET revoked_at = coalesce(f.revoked_at, now()) FROM refresh_tokens t
       WHERE t.hash = $1 AND t.used_at IS NOT NULL AND f.id = t.family_id
         AND (f.revoked_at IS NULL OR f.revoked_at > now() - interval '1 hour')
       RETURNING f.id AS family_id, f.user_id`,
      [hashToken(token)],
    );
    return reused && { kind: "reused", familyId: reused.family_id, userId: reused.user_id };
  }

  async revokeFamily(familyId: string): Promise<void> {
    await ask(
      this.#pool,
      "UPDATE token_families SET revoked_at = now() WHERE id = $1 AND revoked_at IS NULL",
      [familyId],
    );
  }

  /** Removes at most `limit` families that ended. @returns how many. */
  async removeSome(limit: number): Promise<number> {
    const rows = await ask(
      this.#pool,
      `DELETE FROM token_families WHERE id IN (
         SELECT id FROM token_families WHERE expires_at < now() LIMIT $1 FOR UPDATE SKIP LOCKED)
       RETURNING id`,
      [limit],
    );
    return rows.length;
  }
}
