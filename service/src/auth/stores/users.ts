/** Users, in PostgreSQL. */
import type pg from "pg";
import { ANSWER_MS, queryWithin, transactionWithin } from "../../platform/postgres.ts";
import type { Scope } from "../principal.ts";

export interface User {
  readonly id: string;
  readonly name: string;
  readonly scopes: readonly Scope[];
  readonly isDisabled: boolean;
}

export interface UserWithHash extends User {
  readonly passwordHash: string;
  /** Changes when all logins end. It is compared, not read. */
  readonly loginsSince: string;
}

export interface UserListing extends User {
  readonly createdAt: Date;
  readonly apiTokens: number;
  /** The devices that alerts are pushed to. */
  readonly devices: number;
  /** When one of them last got a message; null when none has yet. */
  readonly lastPushedAt: Date | null;
}

/** A user whose devices get no more alerts. */
export interface CutOffUser extends User {
  /** How many those were. */
  readonly devicesRemoved: number;
}

/** Lower case only, so that two names never differ by case alone. */
export const userNamePattern = /^[a-z0-9][a-z0-9._@-]{1,62}[a-z0-9]$/;

/** The spelling of a user's name that is stored. */
export const normalName = (name: string): string => name.normalize("NFKC").trim().toLowerCase();

interface UserRow {
  readonly id: string;
  readonly name: string;
  readonly scopes: Scope[];
  readonly disabled: boolean;
}

export const USER_COLUMNS = "u.id, u.name, u.scopes, u.disabled_at IS NOT NULL AS disabled";
export const toUser = ({ id, name, scopes, disabled }: UserRow): User => ({
  id,
  name,
  scopes,
  isDisabled: disabled,
});

/** Asks about users and tokens, for a request. @param ms the deadline, where it is not a whole request's. */
export function ask<Row extends pg.QueryResultRow>(
  pool: pg.Pool,
  text: string,
  values: unknown[],
  ms: number = ANSWER_MS,
): Promise<Row[]> {
  return queryWithin<Row>(pool, ms, text, values);
}

/** One statement that is not carried out when its caller has been told that it failed. @param ms the deadline. */
export function write<Row extends pg.QueryResultRow>(
  pool: pg.Pool,
  text: string,
  values: unknown[],
  ms: number = ANSWER_MS,
): Promise<Row[]> {
  return transactionWithin(pool, ms, async (client) => (await client.query<Row>(text, values)).rows);
}

/** An operator's command has more time than a request, in ms. */
const COMMAND_MS = 4000;

/** Every method is one statement, so it is done as a whole or not at all. */
export class Users {
  readonly #pool: pg.Pool;

  constructor(pool: pg.Pool) {
    this.#pool = pool;
  }

  /** Undefined as well for what cannot be a name: PostgreSQL refuses some text (U+0000), which is no outage. */
  async findByName(name: string): Promise<UserWithHash | undefined> {
    const stored = normalName(name);
    if (!userNamePattern.test(stored)) return undefined;
    const [row] = await ask<UserRow & { hash: string; since: string }>(
      this.#pool,
      `SELECT ${USER_COLUMNS}, u.password_hash AS hash, u.logins_since::text AS since
       FROM users u WHERE u.name = $1`,
      [stored],
    );
    return row && { ...toUser(row), passwordHash: row.hash, loginsSince: row.since };
  }

  /** Whether the user was neither disabled nor given a new password since it was read. Asked after a login is made. */
  async isUnchanged({ id, loginsSince }: UserWithHash): Promise<boolean> {
    const rows = await ask(
      this.#pool,
      "SELECT 1 FROM users WHERE id = $1 AND disabled_at IS NULL AND logins_since::text = $2",
      [id, loginsSince],
    );
    return rows.length > 0;
  }

  /** @returns undefined when the name is taken. */
  async add(name: string, passwordHash: string, scopes: readonly Scope[]): Promise<User | undefined> {
    const [row] = await write<UserRow>(
      this.#pool,
      `INSERT INTO users AS u (name, password_hash, scopes) VALUES ($1, $2, $3)
       ON CONFLICT (name) DO NOTHING RETURNING ${USER_COLUMNS}`,
      [normalName(name), passwordHash, scopes],
      COMMAND_MS,
    );
    return row && toUser(row);
  }

  async list(): Promise<readonly UserListing[]> {
    const rows = await ask<UserRow & Omit<UserListing, keyof User>>(
      this.#pool,
      `SELECT ${USER_COLUMNS}, u.created_at AS "createdAt", (SELECT count(*)::int FROM api_tokens t
         WHERE t.user_id = u.id AND t.revoked_at IS NULL AND t.expires_at > now()) AS "apiTokens",
         d.devices, d.last AS "lastPushedAt"
       FROM users u CROSS JOIN LATERAL (
         SELECT count(*)::int AS devices, max(s.last_sent_at) AS last FROM push_subscriptions s WHERE s.user_id = u.id) d
       ORDER BY u.name`,
      [],
      COMMAND_MS,
    );
    return rows.map(({ createdAt, apiTokens, devices, lastPushedAt, ...row }) => ({
      ...toUser(row),
      ...{ createdAt, apiTokens, devices, lastPushedAt },
    }));
  }

  /** A new password ends every login and every refresh token, and takes alerts from every device: whoever had the old one may have added some; personal API tokens stay. */
  setPassword(name: string, passwordHash: string): Promise<CutOffUser | undefined> {
    return this.#cutOff("password_hash = $2, logins_since = now()", normalName(name), passwordHash);
  }

  /** Ends logins, refresh tokens and devices for good, and makes API tokens invalid until the user is enabled again. */
  disable(name: string): Promise<CutOffUser | undefined> {
    return this.#cutOff("disabled_at = coalesce(disabled_at, now()), logins_since = now()", normalName(name));
  }

  /** @param change what is set. @param values of the statement: the name, and what the change names beside it. */
  async #cutOff(change: string, ...values: string[]): Promise<CutOffUser | undefined> {
    const [row] = await write<UserRow & { removed: number }>(
      this.#pool,
      `WITH u AS (UPDATE users SET ${change} WHERE name = $1 RETURNING *),
         f AS (UPDATE token_families SET revoked_at = now()
               WHERE user_id = (SELECT id FROM u) AND revoked_at IS NULL),
         d AS (DELETE FROM push_subscriptions WHERE user_id = (SELECT id FROM u) RETURNING 1)
       SELECT ${USER_COLUMNS}, (SELECT count(*)::int FROM d) AS removed FROM u`,
      values,
      COMMAND_MS,
    );
    return row && { ...toUser(row), devicesRemoved: row.removed };
  }

  async enable(name: string): Promise<User | undefined> {
    const [row] = await write<UserRow>(
      this.#pool,
      `UPDATE users AS u SET disabled_at = NULL WHERE name = $1 RETURNING ${USER_COLUMNS}`,
      [normalName(name)],
      COMMAND_MS,
    );
    return row && toUser(row);
  }
}
