/** Personal API tokens, in PostgreSQL. */
import type pg from "pg";
import type { KnownPrincipal, Scope } from "../principal.ts";
import { hashToken, randomToken } from "../credentials/secrets.ts";
import { remember } from "../../platform/bounded-map.ts";
import { ANSWER_MS, CLEANUP_MS, transactionWithin } from "../../platform/postgres.ts";
import { ask } from "./users.ts";

const PREFIX = "omniai_pat_";
export const apiTokenPattern = /^omniai_pat_[A-Za-z0-9_-]{43}$/;

/** What its owner sees of a token; the token itself is shown once, when it is made. */
export interface ApiToken {
  readonly id: string;
  readonly name: string;
  readonly scopes: readonly Scope[];
  readonly createdAt: Date;
  readonly expiresAt: Date;
  readonly lastUsedAt: Date | null;
}

/** How long a replica remembers a token's owner, in ms. A revocation is announced, and makes it forget at once. */
const REMEMBER_MS = 5000;
const MAX_REMEMBERED = 1000;
/** How many valid tokens one user may have. */
const MAX_PER_USER = 50;

const COLUMNS = `id, name, scopes, created_at AS "createdAt", expires_at AS "expiresAt",
  last_used_at AS "lastUsedAt"`;

/** Personal API tokens are for programs. They have some of their user's scopes, and an end. */
export class ApiTokens {
  readonly #pool: pg.Pool;
  #generation = 0;
  readonly #known = new Map<string, { readonly principal: KnownPrincipal; readonly until: number }>();
  /** The same by the token's id. */
  readonly #goodUntil = new Map<string, number>();
  /** Hashes of texts that are no token. */
  readonly #unknown = new Map<string, number>();

  constructor(pool: pg.Pool) {
    this.#pool = pool;
  }

  /** @returns undefined when the user has as many as allowed. */
  async create(
    userId: string,
    token: { name: string; scopes: readonly Scope[]; days: number },
  ): Promise<{ token: string; stored: ApiToken } | undefined> {
    const secret = PREFIX + randomToken();
    const [stored] = await transactionWithin(this.#pool, ANSWER_MS, async (client) => {
      // One after the other for each user, in statements of their own: a statement does not see what was committed while
      // it waited for a lock, so that two at once would both count the same tokens.
      await client.query("SELECT 1 FROM users WHERE id = $1 FOR NO KEY UPDATE", [userId]);
      const { rows } = await client.query<ApiToken & pg.QueryResultRow>(
        `INSERT INTO api_tokens (user_id, name, hash, scopes, expires_at)
       SELECT $1, $2, $3, $4, now() + make_interval(days => $5)
       WHERE (SELECT count(*) FROM api_tokens
              WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > now()) < ${MAX_PER_USER}
       RETURNING ${COLUMNS}`,
        [userId, token.name, hashToken(secret), token.scopes, token.days],
      );
      return rows;
    });
    return stored && { token: secret, stored };
  }

  list(userId: string): Promise<readonly ApiToken[]> {
    return ask<ApiToken & pg.QueryResultRow>(
      this.#pool,
      `SELECT ${COLUMNS} FROM api_tokens
       WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > now() ORDER BY created_at DESC, id`,
      [userId],
    );
  }

  /** @returns whether the token was valid until now; undefined when the user has no such token. */
  async revoke(userId: string, id: string): Promise<{ readonly wasGood: boolean } | undefined> {
    const [row] = await ask<{ was_good: boolean }>(
      this.#pool,
      `UPDATE api_tokens t SET revoked_at = coalesce(t.revoked_at, now()) FROM api_tokens before
       WHERE t.id = $1 AND t.user_id = $2 AND before.id = t.id
       RETURNING before.revoked_at IS NULL AND before.expires_at > now() AS was_good`,
      [id, userId],
    );
    return row && { wasGood: row.was_good };
  }

  /** What is remembered of a token: its owner, or that it is nobody's; undefined when PostgreSQL has to be asked. */
  recall(token: string): KnownPrincipal | "nobody" | undefined {
    const key = hashToken(token).toString("base64url");
    const now = performance.now();
    const known = this.#known.get(key);
    if (known && known.until > now && known.principal.expiresAt > Date.now()) return known.principal;
    return (this.#unknown.get(key) ?? 0) > now ? "nobody" : undefined;
  }

  /**
   * Asks PostgreSQL whose token this is. Undefined for a token that is unknown, or no longer valid.
   * @param ms the deadline.
   */
  async find(token: string, ms: number): Promise<KnownPrincipal | undefined> {
    const hash = hashToken(token);
    const key = hash.toString("base64url");
    const generation = this.#generation;
    const [row] = await ask<{
      id: string;
      user_id: string;
      user_name: string;
      scopes: Scope[];
      expires_at: Date;
      used_lately: boolean | null;
      is_good: boolean;
    }>(
      this.#pool,
      `SELECT t.id, t.user_id, u.name AS user_name, t.expires_at,
         ARRAY(SELECT unnest(t.scopes) INTERSECT SELECT unnest(u.scopes)) AS scopes,
         t.last_used_at > now() - interval '1 minute' AS used_lately,
         t.revoked_at IS NULL AND t.expires_at > now() AND u.disabled_at IS NULL AS is_good
       FROM api_tokens t JOIN users u ON u.id = t.user_id WHERE t.hash = $1`,
      [hash],
      ms,
    );
    const until = performance.now() + REMEMBER_MS;
    // Only for what never was a token: the token of a disabled user is valid again when the user is enabled.
    if (!row) remember(this.#unknown, MAX_REMEMBERED, key, until);
    if (!row?.is_good) return undefined;
    const { id, user_id: userId, user_name: name, scopes, expires_at: expiresAt } = row;
    if (!row.used_lately) {
      // A minute is exact enough, and nobody has to wait for it.
      ask(this.#pool, "UPDATE api_tokens SET last_used_at = now() WHERE id = $1", [id]).catch(
        () => undefined,
      );
    }
    const principal: KnownPrincipal = {
      userId,
      name,
      scopes,
      credential: { kind: "token", id },
      expiresAt: expiresAt.getTime(),
    };
    // Not remembered when a revocation was announced in the meantime.
    if (generation !== this.#generation) return principal;
    remember(this.#known, MAX_REMEMBERED, key, { principal, until });
    remember(this.#goodUntil, MAX_REMEMBERED, id, until);
    return principal;
  }

  /** Whether the token with this id is valid, as fresh as `find` knows it. */
  async isGood(id: string): Promise<boolean> {
    if ((this.#goodUntil.get(id) ?? 0) > performance.now()) return true;
    const generation = this.#generation;
    const rows = await ask(
      this.#pool,
      `SELECT 1 FROM api_tokens t JOIN users u ON u.id = t.user_id
       WHERE t.id = $1 AND t.revoked_at IS NULL AND t.expires_at > now() AND u.disabled_at IS NULL`,
      [id],
    );
    const isGood = rows.length > 0;
    if (isGood && generation === this.#generation)
      remember(this.#goodUntil, MAX_REMEMBERED, id, performance.now() + REMEMBER_MS);
    return isGood;
  }

  /** After a revocation: what is remembered may not be true any more. */
  forget(): void {
    this.#generation++;
    this.#known.clear();
    this.#goodUntil.clear();
  }

  /** Removes at most `limit` that ended or were revoked a month ago. @returns how many. */
  async removeSome(limit: number): Promise<number> {
    const rows = await ask(
      this.#pool,
      `DELETE FROM api_tokens WHERE id IN (
         SELECT id FROM api_tokens WHERE least(expires_at, revoked_at) < now() - interval '30 days'
         LIMIT $1 FOR UPDATE SKIP LOCKED)
       RETURNING id`,
      [limit],
      CLEANUP_MS,
    );
    return rows.length;
  }
}
