/** Refresh tokens and their families, in PostgreSQL. */
import { createHmac } from "node:crypto";
import type pg from "pg";
import type { Scope } from "../principal.ts";
import { deriveKey, hashToken, isSame, randomToken } from "../credentials/secrets.ts";
import { ANSWER_MS, CLEANUP_MS } from "../../platform/postgres.ts";
import { ask, toUser, USER_COLUMNS, write, type User } from "./users.ts";

const PREFIX = "omniai_rt_";
export const refreshTokenPattern = /^omniai_rt_[A-Za-z0-9_-]{43}$/;

export interface Refreshed {
  readonly kind: "refreshed";
  readonly token: string;
  readonly familyId: string;
  readonly expiresAt: Date;
  readonly user: User;
}
/** A token that came again after its leeway, or one of a family that was refreshed too often: its family is revoked by the time this is returned. */
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

const LIVING_FAMILY = `SELECT ${USER_COLUMNS}, f.id AS family_id, f.expires_at
  FROM refresh_tokens t JOIN token_families f ON f.id = t.family_id JOIN users u ON u.id = f.user_id`;
/** How many of a family's tokens were used within a day. @param family SQL for its id */
const usedInADay = (family: string): string =>
  `(SELECT count(*) FROM refresh_tokens d WHERE d.family_id = ${family} AND d.used_at > now() - interval '1 day')`;
const IS_ALIVE = "f.revoked_at IS NULL AND f.expires_at > now() AND u.disabled_at IS NULL";

function refreshed(row: Row, token: string): Refreshed {
  const { family_id: familyId, expires_at: expiresAt } = row;
  return { kind: "refreshed", token, familyId, expiresAt, user: toUser(row) };
}

/**
 * How long after its first use a token may come again, in seconds: its client got no answer, or two tabs share it. Longer
 * than a client waits until it tries again after a 503.
 */
const LEEWAY_SECONDS = 30;
/** More successors than a family can get within the leeway, unless a client refreshes many times a second. */
const MAX_STEPS = 100;

/**
 * How many families one user has at most: a new one removes the one that was not refreshed for longest, after those that
 * have ended. What two logins leave too many at the same time goes with the next one.
 */
const MAX_FAMILIES_OF_USER = 50;
/** For how long a used token is always known again, if it was copied; and what so many of a family may be used in. */
const DAY_MS = 86_400_000;
/**
 * How many used tokens of a family are kept, with those of a day ago and longer. One that has gone is not valid either, but
 * ends nothing.
 */
const MAX_USED = 200;
/**
 * A client refreshes about when its access token ends. One that does so twice as often the whole day long is none that
 * goes by the rules, so its family ends: neither do its tokens fill the disk, nor can a thief make them forgotten.
 */
const mostInADay = (accessMs: number): number => Math.max(MAX_USED, Math.ceil((2 * DAY_MS) / accessMs));
/** How many rows go at once, where there are more: bounds what one login or refresh does. */
const AT_ONCE = 100;

/**
 * Each refresh token can be used once, and gives the next one of its family. For some seconds it gives the newest token of
 * its family again, so that a lost answer logs nobody out. A token that comes later was copied, and nobody knows by whom,
 * so the family ends (RFC 9700 4.14.2).
 *
 * The database has hashes only, so a successor that was given out could not be read there a second time. It is made of
 * its predecessor and a key instead, and every replica makes the same one.
 */
export class RefreshTokens {
  readonly #pool: pg.Pool;
  readonly #lifetimeMs: number;
  readonly #mostInADay: number;
  readonly #key: Buffer;

  /**
   * @param lifetimeMs how long a family lasts, in ms.
   * @param accessMs how long an access token lasts, in ms.
   */
  constructor(pool: pg.Pool, secret: string, lifetimeMs: number, accessMs: number) {
    this.#pool = pool;
    this.#lifetimeMs = lifetimeMs;
    this.#mostInADay = mostInADay(accessMs);
    this.#key = deriveKey(secret, "refresh tokens");
  }

  async createFamily(userId: string): Promise<{ token: string; familyId: string; expiresAt: Date }> {
    const token = PREFIX + randomToken();
    const [row] = await write<{ id: string; expires_at: Date }>(
      this.#pool,
      `WITH gone AS (DELETE FROM token_families WHERE id IN (
           SELECT id FROM token_families WHERE id IN (
             SELECT id FROM token_families f WHERE user_id = $1
             ORDER BY revoked_at IS NULL AND expires_at > now() DESC,
               (SELECT max(created_at) FROM refresh_tokens WHERE family_id = f.id) DESC NULLS LAST
             OFFSET ${MAX_FAMILIES_OF_USER - 1} LIMIT ${AT_ONCE})
           FOR UPDATE SKIP LOCKED)),
         f AS (INSERT INTO token_families (user_id, expires_at)
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
    // One end for all of them: whoever waits for the answer does not care how many questions it takes.
    const end = performance.now() + ANSWER_MS;
    return (
      (await this.#rotate(token, end)) ??
      (await this.#repeat(token, end)) ??
      (await this.#revokeReused(token, end))
    );
  }

  #successorOf(token: string): string {
    return PREFIX + createHmac("sha256", this.#key).update(token).digest("base64url");
  }

  async #rotate(token: string, end: number): Promise<Refreshed | undefined> {
    const next = this.#successorOf(token);
    // In one statement, so that only one of several clients with the same token makes the next one. It locks the family
    // first, so that a family whose end was written before gives none.
    const [row] = await ask<Row>(
      this.#pool,
      `WITH f AS (${LIVING_FAMILY} WHERE t.hash = $1 AND ${IS_ALIVE} FOR UPDATE OF f),
         t AS (UPDATE refresh_tokens t SET used_at = now() FROM f
           WHERE t.hash = $1 AND t.used_at IS NULL AND f.family_id = t.family_id
             AND ${usedInADay("f.family_id")} < $3 RETURNING t.family_id),
         n AS (INSERT INTO refresh_tokens (hash, family_id) SELECT $2, family_id FROM t),
         gone AS (DELETE FROM refresh_tokens WHERE hash IN (
           SELECT o.hash FROM (
             SELECT r.hash, r.used_at FROM refresh_tokens r JOIN t USING (family_id) WHERE r.used_at IS NOT NULL
             ORDER BY r.created_at DESC, r.used_at DESC OFFSET ${MAX_USED - 1}) o
           WHERE o.used_at < now() - interval '1 day' LIMIT ${AT_ONCE}))
       SELECT f.* FROM f JOIN t USING (family_id)`,
      [hashToken(token), hashToken(next), this.#mostInADay],
      end - performance.now(),
    );
    return row && refreshed(row, next);
  }

  /** The newest token of the family again, while the leeway of this one lasts. */
  async #repeat(token: string, end: number): Promise<Refreshed | undefined> {
    const [row] = await ask<Row & { newest: Buffer }>(
      this.#pool,
      `WITH f AS (${LIVING_FAMILY}
           WHERE t.hash = $1 AND t.used_at > now() - make_interval(secs => $2) AND ${IS_ALIVE} FOR SHARE OF f)
       SELECT f.*, n.hash AS newest FROM f JOIN refresh_tokens n USING (family_id) WHERE n.used_at IS NULL`,
      [hashToken(token), LEEWAY_SECONDS],
      end - performance.now(),
    );
    if (!row) return undefined;
    let next = token;
    for (let step = 0; step < MAX_STEPS; step++) {
      next = this.#successorOf(next);
      if (isSame(hashToken(next), row.newest)) return refreshed(row, next);
    }
    // The stack's secret was changed in between, so the newest token cannot be made again.
    return undefined;
  }

  async #revokeReused(token: string, end: number): Promise<Reused | undefined> {
    // Also one that was revoked already: whoever asks again may do so because the replicas could not be told. For as long
    // as its access tokens may live; later there is nothing to tell, and not every copy that comes by is worth it.
    const [reused] = await ask<{ family_id: string; user_id: string }>(
      this.#pool,
      `UPDATE token_families f SET revoked_at = coalesce(f.revoked_at, now()) FROM refresh_tokens t
       WHERE t.hash = $1 AND f.id = t.family_id
         AND (t.used_at IS NOT NULL OR ${usedInADay("f.id")} >= $2)
         AND (f.revoked_at IS NULL OR f.revoked_at > now() - interval '1 hour')
       RETURNING f.id AS family_id, f.user_id`,
      [hashToken(token), this.#mostInADay],
      end - performance.now(),
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

  /** Removes at most `limit` families that ended, or were revoked so long ago that nobody is told any more. @returns how many. */
  async removeSome(limit: number): Promise<number> {
    const rows = await ask(
      this.#pool,
      `DELETE FROM token_families WHERE id IN (
         SELECT id FROM token_families WHERE least(expires_at, revoked_at + interval '1 hour') < now()
         LIMIT $1 FOR UPDATE SKIP LOCKED)
       RETURNING id`,
      [limit],
      CLEANUP_MS,
    );
    return rows.length;
  }
}
