/** Devices, and what was pushed to each, in PostgreSQL. */
import type pg from "pg";
import { ANSWER_MS, CLEANUP_MS, queryWithin, transactionWithin } from "../platform/postgres.ts";
import type { PushMessage } from "./message.ts";
import type { PushTarget } from "./sender.ts";
import { settle, settleTest, type Settled } from "./settlement.ts";

/** A device that messages can be sent to. */
export interface Subscription extends PushTarget {
  readonly id: string;
}

/** One that is to be sent a message now. */
export interface Claim extends Subscription {
  /** How often that was tried, with this time. */
  readonly attempts: number;
}

/** A message, and those that it is to be sent to now. */
export interface Due {
  readonly message: PushMessage;
  readonly claims: readonly Claim[];
}

/** What its owner sees of a device. */
export interface Device {
  readonly id: string;
  readonly endpoint: string;
  readonly name: string;
  readonly createdAt: Date;
  readonly lastSentAt: Date | null;
  /** Why the last message did not get there; null when it did. */
  readonly problem: string | null;
  /** False: it was added under another key of the service, and gets nothing until its browser subscribes anew. */
  readonly isCurrent: boolean;
}

/** A device that a browser's new subscription has ended, and why. */
export interface Removed {
  readonly id: string;
  /** Whose it was. */
  readonly userId: string;
  /** replaced: by its user, who has the new one. taken-over: by another user of the browser. */
  readonly reason: "replaced" | "taken-over";
}

/** What became of an added device. */
export interface Added {
  /** Undefined when there are as many as allowed. */
  readonly id: string | undefined;
  readonly removed: readonly Removed[];
}

/** What became of a renewal. */
export type Renewed =
  | { readonly kind: "renewed"; readonly id: string; readonly userId: string }
  /** The service has been told of it before: whoever got no answer tells again. */
  | { readonly kind: "known" }
  /** The new subscription is another device's already, so the one of before is removed. */
  | ({ readonly kind: "removed" } & Removed);

/** How many devices one user may have, and all users together: one message to all of them has to be out in half a minute. */
export const MOST_PER_USER = 10;
export const MOST_DEVICES = 100;

/** Repeated after so long, in hours, a message is news again: Alertmanager repeats after 4, and tries again for minutes. */
const NEWS_HOURS = 2;
/** How long a device is kept that nothing can be sent to: its user may be given back what is missing, or open the page there. */
const UNUSABLE_DAYS = 30;
/** A replica that claimed a message and has not said in so many seconds what became of it is gone. */
const LEASE_SECONDS = 60;
/** Any number, the same for all replicas. */
const LOCK = 7_202_611;

/** Of a row d of push_deliveries: it was told so long ago that the same is news again. */
const IS_NEWS = `(d.first_at < now() - interval '${NEWS_HOURS} hours')`;
/** Of a row d of push_deliveries: it is to be tried now, or whoever was about to is gone. */
const IS_DUE = `((d.state = 'due' AND d.at <= now())
  OR (d.state = 'sending' AND d.at < now() - interval '${LEASE_SECONDS} seconds'))`;

/** What is set where a browser has subscribed: what went wrong before says nothing about it. */
const ANEW = "problem = NULL, failures = 0, failing_since = NULL";

/** Whoever may not see alerts any more is not sent any. */
const readyFor = (key: string): string => `SELECT s.id, s.endpoint, s.p256dh, s.auth FROM push_subscriptions s
  JOIN users u ON u.id = s.user_id
  WHERE s.vapid_key = ${key} AND u.disabled_at IS NULL AND 'diag:read' = ANY(u.scopes)`;
const READY = readyFor("$1");

/** A device, and whose it is. */
interface Owned extends pg.QueryResultRow {
  readonly id: string;
  readonly userId: string;
}
const OWNED = 'id, user_id AS "userId"';

/** Digests are compared: how long that takes says nothing about the secret. */
const KNOWN = `SELECT ${OWNED} FROM push_subscriptions WHERE endpoint = $1
  AND sha256(convert_to(rtrim(auth, '='), 'UTF8')) = sha256(convert_to(rtrim($2, '='), 'UTF8'))`;

/** @param found by the new endpoint and its secret. */
const told = (found: readonly unknown[]): Renewed | undefined =>
  found.length === 0 ? undefined : { kind: "known" };

export class PushStore {
  readonly #pool: pg.Pool;
  readonly #key: string;

  /** @param key the service's public key. */
  constructor(pool: pg.Pool, key: string) {
    this.#pool = pool;
    this.#key = key;
  }

  /**
   * One writer at a time, in all replicas: they write a few rows a day, and rows of both tables in any order would wait for
   * each other. Nothing is sent meanwhile.
   */
  #alone<T>(work: (client: pg.PoolClient) => Promise<T>, ms = ANSWER_MS): Promise<T> {
    return transactionWithin(this.#pool, ms, async (client) => {
      await client.query("SELECT pg_advisory_xact_lock($1)", [LOCK]);
      return work(client);
    });
  }

  /**
   * Adds a device, or takes it over: a browser has one subscription, whoever uses it.
   * @param added.replaces the SHA-256 of the endpoint that the browser had before, whose device goes.
   */
  add(
    userId: string,
    { endpoint, p256dh, auth, name, replaces }: PushTarget & { name: string; replaces?: Buffer | undefined },
  ): Promise<Added> {
    return this.#alone(async (client) => {
      // Its own alone: the user's other browsers know themselves again by theirs.
      const replaced = await client.query<Owned>(
        `DELETE FROM push_subscriptions WHERE user_id = $1 AND endpoint <> $2
           AND sha256(convert_to(endpoint, 'UTF8')) = $3 RETURNING ${OWNED}`,
        [userId, endpoint, replaces ?? null],
      );
      const others = await client.query<Owned>(
        `SELECT ${OWNED} FROM push_subscriptions WHERE endpoint = $1 AND user_id <> $2`,
        [endpoint, userId],
      );
      const { rows } = await client.query<{ id: string }>(
        `INSERT INTO push_subscriptions (user_id, endpoint, p256dh, auth, vapid_key, name)
         SELECT $1, $2, $3, $4, $5, $6
         WHERE (SELECT count(*) FROM push_subscriptions WHERE user_id = $1 AND endpoint <> $2) < ${MOST_PER_USER}
           AND (SELECT count(*) FROM (${readyFor("$5")}) r WHERE r.endpoint <> $2) < ${MOST_DEVICES}
         ON CONFLICT (endpoint) DO UPDATE SET user_id = excluded.user_id, p256dh = excluded.p256dh,
           auth = excluded.auth, vapid_key = excluded.vapid_key, name = excluded.name, ${ANEW},
           last_sent_at = CASE WHEN push_subscriptions.user_id = $1 THEN push_subscriptions.last_sent_at END
         RETURNING id`,
        [userId, endpoint, p256dh, auth, this.#key, name],
      );
      const id = rows[0]?.id;
      const takenOver = id === undefined ? [] : others.rows;
      return {
        id,
        removed: [
          ...replaced.rows.map((each) => ({ ...each, reason: "replaced" as const })),
          ...takenOver.map((each) => ({ ...each, reason: "taken-over" as const })),
        ],
      };
    });
  }

  /**
   * Follows a browser that has renewed its subscription by itself: the device stays its user's. Whoever knows both the endpoint and
   * the secret of before is that browser, because the push service never sees the secret.
   * @returns undefined when there is no such device, neither of before nor renewed.
   */
  async renew(
    before: Pick<PushTarget, "endpoint" | "auth">,
    { endpoint, p256dh, auth }: PushTarget,
  ): Promise<Renewed | undefined> {
    const [known, renewed] = [
      [before.endpoint, before.auth],
      [endpoint, auth],
    ];
    // Anybody may ask, so whoever knows nothing must not make others wait.
    if ((await queryWithin(this.#pool, ANSWER_MS, KNOWN, known)).length === 0)
      return told(await queryWithin(this.#pool, ANSWER_MS, KNOWN, renewed));
    return this.#alone(async (client) => {
      const [device] = (await client.query<Owned>(KNOWN, known)).rows;
      if (!device) return told((await client.query(KNOWN, renewed)).rows);
      const taken = await client.query<Owned>(
        `SELECT ${OWNED} FROM push_subscriptions WHERE endpoint = $1 AND id <> $2`,
        [endpoint, device.id],
      );
      if (taken.rows[0]) {
        // Its page was faster, for whoever is signed in there now.
        await client.query("DELETE FROM push_subscriptions WHERE id = $1", [device.id]);
        const reason = taken.rows[0].userId === device.userId ? "replaced" : "taken-over";
        return { kind: "removed", ...device, reason };
      }
      await client.query(
        `UPDATE push_subscriptions SET endpoint = $2, p256dh = $3, auth = $4, vapid_key = $5, ${ANEW} WHERE id = $1`,
        [device.id, endpoint, p256dh, auth, this.#key],
      );
      return { kind: "renewed", ...device };
    });
  }

  /** @returns whether the user had that device. */
  remove(userId: string, id: string): Promise<boolean> {
    return this.#alone(async (client) => {
      const sql = "DELETE FROM push_subscriptions WHERE id = $1 AND user_id = $2";
      return (await client.query(sql, [id, userId])).rowCount === 1;
    });
  }

  /** The newest first. */
  list(userId: string): Promise<Device[]> {
    return queryWithin<Device & pg.QueryResultRow>(
      this.#pool,
      ANSWER_MS,
      `SELECT id, endpoint, name, created_at AS "createdAt", last_sent_at AS "lastSentAt", problem,
         vapid_key = $2 AS "isCurrent"
       FROM push_subscriptions WHERE user_id = $1 ORDER BY created_at DESC, id`,
      [userId, this.#key],
    );
  }

  /** All devices that a message to everybody goes to. */
  ready(ms = ANSWER_MS): Promise<Subscription[]> {
    return queryWithin<Subscription & pg.QueryResultRow>(this.#pool, ms, READY, [this.#key]);
  }

  /** Those of one user. */
  readyOf(userId: string): Promise<Subscription[]> {
    return queryWithin<Subscription & pg.QueryResultRow>(
      this.#pool,
      ANSWER_MS,
      `${READY} AND s.user_id = $2`,
      [this.#key, userId],
    );
  }

  /**
   * Keeps the message, and takes those that it has to be sent to now: whoever gets one here sends it, and no other replica
   * does. What an older message of the same topic has not reached yet, it need not reach any more.
   */
  claim({ id, ...body }: PushMessage): Promise<Claim[]> {
    return this.#alone(async (client) => {
      await client.query(
        `INSERT INTO push_messages (id, topic, body) VALUES ($1, $2, $3)
         ON CONFLICT (id) DO UPDATE SET body = excluded.body, at = now()`,
        [id, body.topic, JSON.stringify(body)],
      );
      await client.query(
        `UPDATE push_deliveries SET state = 'replaced' WHERE state IN ('sending', 'due')
           AND message IN (SELECT id FROM push_messages WHERE topic = $1 AND id <> $2)`,
        [body.topic, id],
      );
      const { rows } = await client.query<Claim>(
        `WITH ready AS (${READY}),
         claimed AS (
           INSERT INTO push_deliveries AS d (message, subscription_id) SELECT $2, id FROM ready
           ON CONFLICT (message, subscription_id) DO UPDATE SET state = 'sending', at = now(),
             attempts = CASE WHEN ${IS_NEWS} THEN 1 ELSE d.attempts + 1 END,
             first_at = CASE WHEN ${IS_NEWS} THEN now() ELSE d.first_at END
           WHERE ${IS_NEWS} OR d.state = 'replaced' OR ${IS_DUE}
           RETURNING d.subscription_id, d.attempts)
         SELECT r.*, c.attempts FROM claimed c JOIN ready r ON r.id = c.subscription_id`,
        [this.#key, id],
      );
      return rows;
    });
  }

  /** Takes what is to be tried again by now, of all messages that are still news. */
  async claimDue(): Promise<Due[]> {
    // Nearly always there is nothing, and then nobody has to wait for anybody.
    const due = await queryWithin(
      this.#pool,
      ANSWER_MS,
      `SELECT 1 FROM push_deliveries d JOIN (${READY}) r ON r.id = d.subscription_id
       WHERE ${IS_DUE} AND NOT ${IS_NEWS} LIMIT 1`,
      [this.#key],
    );
    if (due.length === 0) return [];
    const rows = await this.#alone(async (client) => {
      const sql = `WITH ready AS (${READY}),
         claimed AS (
           UPDATE push_deliveries d SET state = 'sending', at = now(), attempts = d.attempts + 1
           WHERE ${IS_DUE} AND NOT ${IS_NEWS} AND d.subscription_id IN (SELECT id FROM ready)
           RETURNING d.message, d.subscription_id, d.attempts)
         SELECT r.*, c.attempts, m.id AS message, m.body FROM claimed c
         JOIN ready r ON r.id = c.subscription_id JOIN push_messages m ON m.id = c.message`;
      return (
        await client.query<Claim & { message: Buffer; body: Omit<PushMessage, "id"> }>(sql, [this.#key])
      ).rows;
    });
    const byMessage = Map.groupBy(rows, ({ message }) => message.toString("base64"));
    return [...byMessage.values()].flatMap((claims) => {
      const [first] = claims;
      return first ? [{ message: { ...first.body, id: first.message }, claims }] : [];
    });
  }

  /** Writes down what became of claims. */
  settle(message: Buffer, settled: readonly Settled[]): Promise<void> {
    return this.#alone((client) => settle(client, message, settled));
  }

  /** Writes down what a test showed. */
  noteTest(settled: readonly Settled[]): Promise<void> {
    return this.#alone((client) => settleTest(client, settled));
  }

  /** Removes at most `limit` rows that say nothing any more: of old messages, and of devices that nothing could be sent to for long. */
  removeSome(limit: number): Promise<number> {
    return this.#alone(async (client) => {
      const { rowCount: messages } = await client.query(
        `DELETE FROM push_messages WHERE id IN (
           SELECT id FROM push_messages WHERE at < now() - interval '1 day' LIMIT $1)`,
        [limit],
      );
      // From when it was first seen to be so: it may have been in use for years before.
      await client.query(
        `UPDATE push_subscriptions SET unusable_since = CASE WHEN unusable_since IS NULL THEN now() END
         WHERE (unusable_since IS NULL) <> (id IN (SELECT id FROM (${READY}) r))`,
        [this.#key],
      );
      const { rowCount: devices } = await client.query(
        `DELETE FROM push_subscriptions WHERE id IN (
           SELECT id FROM push_subscriptions WHERE unusable_since < now() - interval '${UNUSABLE_DAYS} days' LIMIT $1)`,
        [limit],
      );
      return (messages ?? 0) + (devices ?? 0);
    }, CLEANUP_MS);
  }
}
