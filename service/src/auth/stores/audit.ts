/** The audit log: rows in PostgreSQL and lines in the log. */
import type pg from "pg";
import { reasonOf } from "../../platform/deadline.ts";
import type { Logger } from "../../platform/logging.ts";
import { CLEANUP_MS } from "../../platform/postgres.ts";
import { ask } from "./users.ts";

/** One thing that was done or refused. It never holds a secret, or a name that somebody only typed. */
export interface AuditEntry {
  readonly action:
    | "login"
    | "logout"
    | "refresh"
    | "csrf"
    | "access"
    | "limit"
    | "token.create"
    | "token.revoke"
    | "device.add"
    | "device.remove"
    | "device.renew"
    | "user.add"
    | "user.passwd"
    | "user.disable"
    | "user.enable";
  readonly outcome: "done" | "refused";
  readonly userId?: string | undefined;
  /** As limits count it: IPv6 by /56. */
  readonly address?: string | undefined;
  readonly requestId?: string | undefined;
  /** For the log line only. */
  readonly traceId?: string | undefined;
  readonly detail?: Readonly<Record<string, string | number | readonly string[]>>;
}

/** How many rows may be under way at once: a flood of refusals must not use up the pool. Each has its log line anyway. */
const MAX_PENDING = 4;

/** Notes who logged in, was refused or changed something: one row and one log line each. */
export class Audit {
  readonly #pool: pg.Pool;
  readonly #replica: string;
  readonly #logger: Logger;
  readonly #days: number;
  readonly #maxRows: number;
  #pending = 0;

  constructor(pool: pg.Pool, replica: string, limits: { days: number; maxRows: number }, logger: Logger) {
    this.#pool = pool;
    this.#replica = replica;
    this.#days = limits.days;
    this.#maxRows = limits.maxRows;
    this.#logger = logger;
  }

  /**
   * Never rejects, because what is noted has already happened. Without PostgreSQL the log line is all there is, and the
   * log says so.
   */
  async record(entry: AuditEntry): Promise<void> {
    const { detail = {}, traceId, ...rest } = entry;
    this.#logger.info({ trace_id: traceId, audit: { ...rest, ...detail } }, "audit");
    if (entry.outcome === "refused" && this.#pending >= MAX_PENDING) return;
    this.#pending++;
    try {
      await ask(
        this.#pool,
        `INSERT INTO audit_log (replica, action, outcome, user_id, address, request_id, detail)
         VALUES ($1, $2, $3, $4, $5, $6, $7)`,
        [
          this.#replica,
          entry.action,
          entry.outcome,
          entry.userId ?? null,
          entry.address ?? null,
          entry.requestId ?? null,
          JSON.stringify(detail),
        ],
      );
    } catch (error) {
      this.#logger.error(
        { trace_id: traceId, audit: rest, reason: reasonOf(error) },
        "audit row not written",
      );
    } finally {
      this.#pending--;
    }
  }

  /** Removes at most `limit` rows that are too old or too many. @returns how many. */
  async removeSome(limit: number): Promise<number> {
    const removed = await ask(
      this.#pool,
      `DELETE FROM audit_log WHERE id IN (
         SELECT id FROM audit_log
         WHERE at < now() - make_interval(days => $1)
            OR id <= (SELECT id FROM audit_log ORDER BY id DESC OFFSET $2 LIMIT 1)
         ORDER BY id LIMIT $3 FOR UPDATE SKIP LOCKED)
       RETURNING id`,
      [this.#days, this.#maxRows, limit],
      CLEANUP_MS,
    );
    return removed.length;
  }
}
